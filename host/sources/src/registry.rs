//! One repository of one registry: the part of the distribution specification that is needed.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>, with the token protocol of
//! <https://distribution.github.io/distribution/spec/auth/token/>. Credentials are sent only after the
//! registry asked for them, over an encrypted way (or to this machine), and never to another origin than the
//! registry's or the token service that it names. Nothing here checks digests: the caller does.

use std::sync::{Mutex, PoisonError};

use docker_credential::DockerCredential;
use form_urlencoded::Serializer;
use http_auth::parse_challenges;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use crate::artifact::MANIFEST_TYPES;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::SourceError;
use crate::http::{Asked, Http, body, insecure, is_loopback, may_follow, refusal, unanswered};
use crate::reference::Repository;

/// Largest manifest, as the distribution specification asks registries to accept.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Largest answer of a token service. Tokens of cloud registries have some KiB.
const MAX_TOKEN_BYTES: u64 = 64 << 10;

/// Who asks for a token, as its protocol wants to know.
const CLIENT_ID: &str = "polyreme";

/// What is going to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

impl Access {
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// One repository of one registry, or of a mirror.
pub(crate) struct Registry<'a> {
    http: &'a Http,
    credentials: &'a Credentials,
    /// As users write it, and as docker's configuration knows it.
    host: String,
    name: String,
    base: Url,
    access: Access,
    /// What was accepted last: a `Mutex` of std, never held across an await.
    authorization: Mutex<Option<HeaderValue>>,
}

impl<'a> Registry<'a> {
    /// Asks nothing of the network.
    pub(crate) fn new(
        http: &'a Http,
        credentials: &'a Credentials,
        repository: &Repository,
        access: Access,
    ) -> Result<Self, SourceError> {
        Self::at(http, credentials, repository.registry(), repository.name().to_owned(), access)
    }

    /// A repository under another name, of a mirror.
    pub(crate) fn at(
        http: &'a Http,
        credentials: &'a Credentials,
        host: &str,
        name: String,
        access: Access,
    ) -> Result<Self, SourceError> {
        let api = match host {
            // Docker Hub's API is at another host than its name.
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let without_port = match api.rsplit_once(':') {
            Some((before, port)) if !port.ends_with(']') => before,
            _ => api,
        };
        let scheme = if is_loopback(without_port) { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{api}/v2/{name}/"))
            .map_err(|error| SourceError::Client { source: error.into() })?;
        let authorization = Mutex::new(None);
        Ok(Self { http, credentials, host: host.to_owned(), name, base, access, authorization })
    }

    /// As users write it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    fn asked<'b>(&'b self, what: &'b str) -> Asked<'b> {
        Asked { what, host: &self.host }
    }

    fn url(&self, path: &str) -> Result<Url, SourceError> {
        self.base.join(path).map_err(|error| SourceError::Client { source: error.into() })
    }

    /// The bytes of a manifest, by tag or digest.
    pub(crate) async fn manifest(&self, reference: &str, what: &str) -> Result<Vec<u8>, SourceError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let request = self.request(Method::GET, &url, what)?.header(ACCEPT, MANIFEST_TYPES.join(", "));
        let response = self.success(self.send(request, what).await?, what).await?;
        body(response, MAX_MANIFEST_BYTES, self.asked(what)).await
    }

    /// The bytes of a blob.
    pub(crate) async fn blob(&self, digest: Digest, limit: u64, what: &str) -> Result<Vec<u8>, SourceError> {
        let request = self.request(Method::GET, &self.url(&format!("blobs/{digest}"))?, what)?;
        let response = self.success(self.send(request, what).await?, what).await?;
        body(response, limit, self.asked(what)).await
    }

    /// Uploads a blob unless it is there.
    pub(crate) async fn upload(&self, bytes: &[u8], what: &str) -> Result<(), SourceError> {
        let digest = Digest::of(bytes);
        let there = self.request(Method::HEAD, &self.url(&format!("blobs/{digest}"))?, what)?;
        if self.send(there, what).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let start = self.url("blobs/uploads/")?;
        let begin = self.request(Method::POST, &start, what)?.header(CONTENT_LENGTH, 0);
        let begun = self.success(self.send(begin, what).await?, what).await?;
        let mut target = self.location(&begun, &start, what)?;
        target.query_pairs_mut().append_pair("digest", &digest.to_string());
        let put = self.request(Method::PUT, &target, what)?;
        let put = put.header(CONTENT_TYPE, "application/octet-stream").body(bytes.to_vec());
        self.success(self.send(put, what).await?, what).await.map(drop)
    }

    fn location(&self, response: &Response, asked: &Url, what: &str) -> Result<Url, SourceError> {
        let text = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let target = text.and_then(|text| asked.join(text).ok()).ok_or_else(|| SourceError::Malformed {
            what: format!("an upload for {what}"),
            host: self.host.clone(),
            source: "it has no usable Location".into(),
        })?;
        if may_follow(asked, &target) { Ok(target) } else { Err(insecure(&target, self.asked(what))) }
    }

    /// Puts a manifest under a tag.
    pub(crate) async fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
        what: &str,
    ) -> Result<(), SourceError> {
        let request = self.request(Method::PUT, &self.url(&format!("manifests/{tag}"))?, what)?;
        let request = request.header(CONTENT_TYPE, media_type).body(bytes.to_vec());
        self.success(self.send(request, what).await?, what).await.map(drop)
    }

    fn request(&self, method: Method, url: &Url, what: &str) -> Result<RequestBuilder, SourceError> {
        Ok(self.http.client(url, self.asked(what))?.request(method, url.clone()))
    }

    async fn success(&self, response: Response, what: &str) -> Result<Response, SourceError> {
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorized(what)),
            _ => Err(refusal(response, self.asked(what)).await),
        }
    }

    fn unauthorized(&self, what: &str) -> SourceError {
        SourceError::Unauthorized {
            what: what.to_owned(),
            registry: self.host.clone(),
            had_credentials: self.known().is_some(),
            dockers: self.credentials.place(),
        }
    }

    fn known(&self) -> Option<HeaderValue> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a request; once more with credentials when the registry asks for them.
    async fn send(&self, request: RequestBuilder, what: &str) -> Result<Response, SourceError> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| SourceError::Client { source: error.into() })?;
        let once = |authorization: Option<HeaderValue>| {
            let mut request = request.try_clone().expect("its body is in memory");
            if let Some(value) = authorization.filter(|_| request.url().origin() == self.base.origin()) {
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            client.execute(request)
        };
        let unanswered = |error| unanswered(error, self.asked(what));
        let response = once(self.known()).await.map_err(unanswered)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(value) = self.authorize(&response, what).await? else { return Ok(response) };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
        once(Some(value)).await.map_err(unanswered)
    }

    /// What a registry asks for, if it can be given.
    async fn authorize(&self, response: &Response, what: &str) -> Result<Option<HeaderValue>, SourceError> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        for text in headers.iter().filter_map(|value| value.to_str().ok()) {
            for challenge in parse_challenges(text).unwrap_or_default() {
                let parameter = |name: &str| {
                    let mut all = challenge.params.iter();
                    all.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
                };
                if challenge.scheme.eq_ignore_ascii_case("bearer")
                    && let Some(realm) = parameter("realm")
                {
                    return self.token(&realm, parameter("service").as_deref(), what).await.map(Some);
                }
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    return Ok(self.credentials.find(&self.host).await?.and_then(|found| basic(&found)));
                }
            }
        }
        Ok(None)
    }

    /// A token of the service that the registry names, for this repository only.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        what: &str,
    ) -> Result<HeaderValue, SourceError> {
        let mut url = Url::parse(realm).map_err(|error| self.bad_token(error))?;
        if !may_follow(&self.base, &url) {
            return Err(insecure(&url, self.asked(what)));
        }
        let scope = format!("repository:{}:{}", self.name, self.access.actions());
        let parameters = [("service", service.unwrap_or_default()), ("scope", &scope)];
        let client = self.http.client(&url, self.asked(what))?;
        let request = match self.credentials.find(&self.host).await? {
            Some(DockerCredential::IdentityToken(token)) => {
                let own =
                    [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", &token)];
                let form = Serializer::new(String::new()).extend_pairs(parameters).extend_pairs(own).finish();
                client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
            found => {
                url.query_pairs_mut().extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
                let request = client.get(url);
                match found.as_ref().and_then(basic) {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            }
        };
        let response = request.send().await.map_err(|error| unanswered(error, self.asked(what)))?;
        // Some services answer 400 to credentials that they do not know.
        if response.status() == StatusCode::BAD_REQUEST {
            return Err(self.unauthorized(what));
        }
        let bytes = body(self.success(response, what).await?, MAX_TOKEN_BYTES, self.asked(what)).await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes).map_err(|error| self.bad_token(error))?;
        let token = answer.token.or(answer.access_token).unwrap_or_default();
        secret(&format!("Bearer {token}")).ok_or_else(|| self.bad_token("a token that no header can hold"))
    }

    fn bad_token(&self, error: impl Into<crate::error::Cause>) -> SourceError {
        SourceError::Malformed { what: "a token".to_owned(), host: self.host.clone(), source: error.into() }
    }
}

/// The distribution protocol names the first, OAuth2 the second.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic(credential: &DockerCredential) -> Option<HeaderValue> {
    use base64::Engine as _;
    let DockerCredential::UsernamePassword(user, password) = credential else { return None };
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    secret(&format!("Basic {encoded}"))
}

/// Marked so that nothing prints it.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
