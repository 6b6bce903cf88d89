package main

import "strings"

// escaper makes text safe in HTML, attributes included.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// indexHTML is the page of a site.
func indexHTML(site string, theme ThemeSpec) string {
	site = escaper.Replace(site)
	color, font := escaper.Replace(theme.Color), escaper.Replace(theme.FontFamily)
	return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>` + site + `</title>
</head>
<body style="background-color: ` + color + `; font-family: '` + font + `', sans-serif;">
  <h1>Welcome to ` + site + `!</h1>
</body>
</html>
`
}

// nginxConf is the configuration of the web server: a site lives below /<namespace>/<name> at the Ingress and
// at the root of its own server.
func nginxConf(namespace, site string) string {
	return `events {}

http {
  include /etc/nginx/mime.types;

  server {
    listen 80;
    listen [::]:80;

    rewrite ^/` + namespace + `/` + site + `(.*)$ /$1 last;

    location / {
      root /usr/share/nginx/html;
      index index.html;
    }
  }
}
`
}
