//! Kinds that are asked, not stored: access and identity reviews, and service account
//! tokens. Whoever has a token may do everything here, so access is always allowed.

use serde_json::{Value, json};

use super::{Api, At};
use crate::clock;
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;
use crate::server::{Account, random_token};

/// How long a requested token says it is good for, when the client does not ask.
const TOKEN_SECONDS: i64 = 3600;

impl Api {
    /// Answers a review by filling in its status; `None` for kinds that are no reviews.
    pub(crate) fn review(&self, resource: &Resource, mut body: Value, account: &Account) -> Option<Value> {
        let status = match resource.kind.as_str() {
            "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => {
                json!({"allowed": true, "reason": "the local API server allows everything"})
            }
            "SelfSubjectRulesReview" => all_rules(),
            "SelfSubjectReview" => json!({"userInfo": user_info(account)}),
            "TokenReview" => self.token_review(&body),
            _ => return None,
        };
        let map = read::as_map(&mut body);
        map.insert("kind".to_owned(), resource.kind.as_str().into());
        map.insert("apiVersion".to_owned(), resource.api_version().into());
        map.insert("status".to_owned(), status);
        map.entry("metadata").or_insert_with(|| json!({"creationTimestamp": null}));
        Some(body)
    }

    fn token_review(&self, body: &Value) -> Value {
        let token = body.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
        match self.tokens.read().account(token) {
            Some(account) => json!({"authenticated": true, "user": user_info(account)}),
            None => json!({"authenticated": false, "error": "unknown token"}),
        }
    }

    /// `serviceaccounts/NAME/token`: a token that this server accepts until it stops.
    pub(crate) fn request_token(&self, at: &At, mut body: Value) -> Result<Value, ApiError> {
        let service_account = self.get(at)?;
        let wanted = body.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
        let seconds = wanted.unwrap_or(TOKEN_SECONDS);
        let token = random_token();
        let account = service_account_of(at, read::uid(&service_account.value));
        self.tokens.write().insert(&token, account);
        let expires = clock::now() + chrono::Duration::seconds(seconds);
        let map = read::as_map(&mut body);
        map.insert("kind".to_owned(), "TokenRequest".into());
        map.insert("apiVersion".to_owned(), "authentication.k8s.io/v1".into());
        let metadata = json!({"name": at.name, "namespace": at.namespace, "creationTimestamp": clock::seconds(clock::now())});
        map.insert("metadata".to_owned(), metadata);
        read::map_at(&mut body, "spec").insert("expirationSeconds".to_owned(), seconds.into());
        let status = json!({"token": token, "expirationTimestamp": clock::seconds(expires)});
        read::as_map(&mut body).insert("status".to_owned(), status);
        Ok(body)
    }
}

fn service_account_of(at: &At, uid: &str) -> Account {
    let groups = [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{}", at.namespace),
        "system:authenticated".to_owned(),
    ];
    let name = format!("system:serviceaccount:{}:{}", at.namespace, at.name);
    Account { name, groups: groups.to_vec(), uid: uid.to_owned() }
}

fn user_info(account: &Account) -> Value {
    let mut info = json!({"username": account.name, "groups": account.groups});
    if !account.uid.is_empty() {
        read::as_map(&mut info).insert("uid".to_owned(), account.uid.as_str().into());
    }
    info
}

fn all_rules() -> Value {
    json!({
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": false,
    })
}
