//! What a site's web server serves, and how.

use crate::api::ThemeSpec;

/// The page of a site.
pub fn index_html(site: &str, theme: &ThemeSpec) -> String {
    let site = escape(site);
    let color = escape(&theme.color);
    let font = escape(&theme.font_family);
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>{site}</title>
</head>
<body style="background-color: {color}; font-family: '{font}', sans-serif;">
  <h1>Welcome to {site}!</h1>
</body>
</html>
"#
    )
}

/// The configuration of the web server: a site lives below `/<namespace>/<name>` at the
/// Ingress and at the root of its own server.
pub fn nginx_conf(namespace: &str, site: &str) -> String {
    format!(
        r"events {{}}

http {{
  include /etc/nginx/mime.types;

  server {{
    listen 80;
    listen [::]:80;

    rewrite ^/{namespace}/{site}(.*)$ /$1 last;

    location / {{
      root /usr/share/nginx/html;
      index index.html;
    }}
  }}
}}
"
    )
}

/// Text that is safe in HTML, attributes included.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_its_site_in_its_theme() {
        let theme = ThemeSpec { color: "darkcyan".into(), font_family: "Futura".into() };
        let page = index_html("kubecon", &theme);
        assert!(page.contains("<title>kubecon</title>"));
        assert!(page.contains("Welcome to kubecon!"));
        assert!(page.contains("background-color: darkcyan; font-family: 'Futura', sans-serif"));
    }

    #[test]
    fn a_theme_cannot_break_out_of_the_page() {
        let theme = ThemeSpec { color: r#""><script>"#.into(), font_family: "'".into() };
        let page = index_html("kubecon", &theme);
        assert!(!page.contains("<script>") && page.contains("&quot;&gt;&lt;script&gt;"));
    }

    #[test]
    fn the_server_listens_on_both_protocols_and_cuts_the_prefix() {
        let conf = nginx_conf("project-foo", "kubecon");
        assert!(conf.contains("listen 80;") && conf.contains("listen [::]:80;"));
        assert!(conf.contains("rewrite ^/project-foo/kubecon(.*)$ /$1 last;"));
    }
}
