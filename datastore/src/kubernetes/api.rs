//! Requests to the API server: one at a time, in bounded time, with JSON in and out.

use std::path::Path;
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _};
use kube::api::{DeleteParams, GetParams, ListParams, PostParams, Preconditions, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::failure::{Call, Outcome, chain, failed, judge};
use super::object;
use super::place::{Place, collection};
use crate::error::Error;
use crate::key::Kind;
use crate::store::Revision;

/// Who we are in the `managedFields` of objects.
const MANAGER: &str = "fabric";
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that takes longer is not made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before asking a busy API server again, if it does not say how long.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the API server keeps a watch open, in seconds.
const WATCH_SECONDS: u32 = 290;

/// The API server.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) client: Client,
}

/// Some objects of a kind.
#[derive(Debug, Deserialize)]
pub(super) struct Objects {
    /// `resourceVersion` of the listing, `continue`.
    pub metadata: Value,
    /// The objects.
    pub items: Vec<Value>,
}

impl Objects {
    /// The moment of the listing.
    pub(super) fn revision(&self) -> Result<Revision, Error> {
        let text = self.metadata.get("resourceVersion").and_then(Value::as_str);
        object::parse_revision(text.unwrap_or_default())
    }

    /// Where to go on.
    pub(super) fn next(&self) -> Option<&str> {
        self.metadata.get("continue").and_then(Value::as_str).filter(|token| !token.is_empty())
    }
}

/// What a watch tells.
pub(super) type Events = BoxStream<'static, Result<WatchEvent<Value>, kube::Error>>;

impl Api {
    /// Gets ready to ask the API server that the file names, or the one of the cluster that this runs in.
    /// Asks nothing yet.
    pub(super) async fn new(kubeconfig: Option<&Path>) -> Result<Self, Error> {
        // Only the first call of a process has an effect, and all TLS of ours is by ring.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = match kubeconfig {
            Some(path) => read(path).await?,
            None => Config::incluster().map_err(|error| {
                Error::Refused(format!(
                    "this runs in no Kubernetes cluster ({}); name a kubeconfig, or run it as a pod with a service \
                     account",
                    chain(&error)
                ))
            })?,
        };
        config.connect_timeout = Some(CONNECT_PATIENCE);
        // Would repeat writes of which it is not known whether they were done.
        config.default_retry = false;
        let client = Client::try_from(config)
            .map_err(|error| Error::Refused(format!("the kubeconfig cannot be used: {}", chain(&error))))?;
        Ok(Self { client })
    }

    /// One object, if there is one.
    pub(super) async fn get(&self, place: &Place) -> Result<Option<Value>, Error> {
        let call = Call { verb: "get", kind: place.kind };
        let request = place.collection().get(&place.name, &GetParams::default());
        match self.ask(call, request).await {
            Ok(object) => Ok(Some(object)),
            Err(Outcome::Absent | Outcome::Unserved) => Ok(None),
            Err(outcome) => Err(failed(call, outcome)),
        }
    }

    /// So many objects of a kind: the first, or those after a token. Of a kind that is not served there are none, at
    /// whatever moment it is.
    pub(super) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: &str,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Objects, Outcome> {
        match self.list_served(kind, namespace, selector, limit, after).await {
            Err(Outcome::Unserved) => {
                let others = self.list_served(Kind::Namespace, None, "", 1, None).await?;
                let revision = others.revision().map_err(Outcome::Failed)?;
                Ok(Objects {
                    metadata: json!({ "resourceVersion": revision.0.to_string() }),
                    items: Vec::new(),
                })
            }
            listed => listed,
        }
    }

    async fn list_served(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: &str,
        limit: u32,
        after: Option<&str>,
    ) -> Result<Objects, Outcome> {
        let parameters = ListParams {
            label_selector: Some(selector.to_owned()).filter(|selector| !selector.is_empty()),
            limit: Some(limit),
            continue_token: after.map(ToOwned::to_owned),
            ..ListParams::default()
        };
        let request = kube::core::Request::new(collection(kind, namespace)).list(&parameters);
        self.ask(Call { verb: "list", kind }, request).await
    }

    /// The newest revision, or a newer one than it was when this was called.
    pub(super) async fn head(&self, kind: Kind) -> Result<Revision, Outcome> {
        let page = self.list(kind, None, "", 1, None).await?;
        page.revision().map_err(Outcome::Failed)
    }

    pub(super) async fn create(&self, place: &Place, object: &Value) -> Result<Value, Outcome> {
        let request = place.collection().create(&post(), object.to_string().into_bytes());
        self.ask(Call { verb: "create", kind: place.kind }, request).await
    }

    pub(super) async fn replace(&self, place: &Place, object: &Value) -> Result<Value, Outcome> {
        let request = place.collection().replace(&place.name, &post(), object.to_string().into_bytes());
        self.ask(Call { verb: "update", kind: place.kind }, request).await
    }

    pub(super) async fn delete(&self, place: &Place, unchanged: Option<Revision>) -> Result<(), Outcome> {
        let resource_version = unchanged.map(|Revision(revision)| revision.to_string());
        let preconditions =
            resource_version.map(|version| Preconditions { resource_version: Some(version), uid: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        let request = place.collection().delete(&place.name, &parameters);
        self.ask::<Value>(Call { verb: "delete", kind: place.kind }, request).await.map(drop)
    }

    /// What happens to the objects of a kind after `from`.
    pub(super) async fn watch(&self, kind: Kind, from: Revision) -> Result<Events, Outcome> {
        let call = Call { verb: "watch", kind };
        let parameters = WatchParams::default().timeout(WATCH_SECONDS);
        let request = kube::core::Request::new(collection(kind, None))
            .watch(&parameters, &from.0.to_string())
            .map_err(|error| judge(call, &kube::Error::BuildRequest(error)))?;
        let opening = self.client.request_events::<Value>(request);
        let events = tokio::time::timeout(PATIENCE, opening)
            .await
            .map_err(|_| Outcome::Failed(too_slow()))?
            .map_err(|error| judge(call, &error))?;
        Ok(events.boxed())
    }

    /// Asks, again if the API server has too much to do.
    async fn ask<T: DeserializeOwned>(
        &self,
        call: Call,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Outcome> {
        let request = request.map_err(|error| judge(call, &kube::Error::BuildRequest(error)))?;
        let asking = async {
            loop {
                match self.client.request(request.clone()).await.map_err(|error| judge(call, &error)) {
                    Err(Outcome::Busy(seconds)) => {
                        let pause = seconds.map_or(PAUSE, |seconds| Duration::from_secs(seconds.into()));
                        tokio::time::sleep(pause).await;
                    }
                    other => return other,
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(Outcome::Failed(too_slow())))
    }
}

fn post() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

fn too_slow() -> Error {
    Error::Unavailable(format!("the API server did not answer within {} s", PATIENCE.as_secs()))
}

async fn read(path: &Path) -> Result<Config, Error> {
    let refused = |error: kube::config::KubeconfigError| {
        Error::Refused(format!("the kubeconfig {} cannot be used: {}", path.display(), chain(&error)))
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(refused)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(refused)
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Api").finish_non_exhaustive()
    }
}
