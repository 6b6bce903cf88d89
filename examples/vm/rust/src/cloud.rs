//! The private cloud's API (`examples/vm/cloud`), as far as the controller uses it.
//!
//! Every answer may be lost: the host died, the connection broke, time was up. So every request here may be
//! repeated at any time, by any host, and comes to the same.

use polyreme_sdk::{Context, Error, HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

/// A machine as the cloud describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) size: String,
    pub(crate) state: State,
    #[serde(default)]
    pub(crate) address: Option<String>,
}

/// Where a machine stands in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Starting,
    Running,
    Deleted,
}

/// A machine to be made.
#[derive(Debug, Serialize)]
pub(crate) struct NewMachine<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: &'a str,
    pub(crate) image: &'a str,
}

/// The cloud at one address.
pub(crate) struct Cloud<'a> {
    ctx: &'a Context,
    url: String,
}

impl<'a> Cloud<'a> {
    pub(crate) fn new(ctx: &'a Context, url: String) -> Self {
        Self { ctx, url }
    }

    /// Makes the machine of a key, or tells of the one that was made for it before, even if it was deleted since.
    pub(crate) fn create(&self, key: &str, machine: &NewMachine<'_>) -> Result<Machine, Error> {
        let request = HttpRequest::post(self.machines("")).header("idempotency-key", key).json(machine)?;
        self.ctx.http(&request)?.success()?.json()
    }

    /// A machine, if it is there.
    pub(crate) fn find(&self, id: &str) -> Result<Option<Machine>, Error> {
        unless_missing(self.ctx.http(&HttpRequest::get(self.machines(id)))?)?
            .map(|found| found.json())
            .transpose()
    }

    /// Gives a machine another size, if it is there.
    pub(crate) fn resize(&self, id: &str, size: &str) -> Result<Option<Machine>, Error> {
        let request = HttpRequest::put(self.machines(id)).json(&serde_json::json!({ "size": size }))?;
        unless_missing(self.ctx.http(&request)?)?.map(|resized| resized.json()).transpose()
    }

    /// Removes a machine; that there is none is as good.
    pub(crate) fn delete(&self, id: &str) -> Result<(), Error> {
        unless_missing(self.ctx.http(&HttpRequest::delete(self.machines(id)))?).map(drop)
    }

    fn machines(&self, id: &str) -> String {
        let slash = if id.is_empty() { "" } else { "/" };
        format!("{}/v1/machines{slash}{id}", self.url)
    }
}

fn unless_missing(response: HttpResponse) -> Result<Option<HttpResponse>, Error> {
    if response.status == 404 { Ok(None) } else { response.success().map(Some) }
}
