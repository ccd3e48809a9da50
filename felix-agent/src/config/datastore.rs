//! Where resources are kept, as it is written in the file: one backend and how to reach it.
//!
//! Files that it names (certificates, keys, passwords) are read with the configuration, so that a backend gets values
//! only, and a file that is missing is told with its place. A key's and a password's text is in no debug output.

use std::fmt;
use std::path::{Path, PathBuf};

use ::bgp::config::Secret;
use datastore::document::{Document, Problem};
use serde::Deserialize;

/// Where resources are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Backends")]
pub enum Datastore {
    /// An SQLite file; several agents on one machine may share it.
    Sqlite(Sqlite),
    /// An etcd cluster, of version 3.
    Etcd(Box<Etcd>),
    /// Objects of a Kubernetes cluster.
    Kubernetes(Kubernetes),
}

/// The SQLite backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sqlite {
    /// Absolute path of the file; made if it is missing.
    pub path: PathBuf,
}

/// The etcd backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Etcd {
    /// URLs of its members: `http://host:port`, or `https://host:port` with `tls`.
    pub endpoints: Vec<String>,
    /// What all keys begin with, so that several fabrics may share a cluster.
    #[serde(default = "default_prefix")]
    pub prefix: String,
    /// How its members prove who they are, and this node to them.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// As whom to authenticate.
    #[serde(default)]
    pub username: Option<String>,
    /// A file with nothing but that user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// What is in that file.
    #[serde(skip)]
    pub password: Option<Secret>,
}

/// The Kubernetes backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kubernetes {
    /// Absolute path of a kubeconfig; without, the service account of the pod that the agent runs in.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
}

/// TLS towards etcd.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities that may vouch for its members.
    pub ca_file: PathBuf,
    /// PEM file of this node's own certificate.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of the key to it.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// What is in those files.
    #[serde(skip)]
    pub pem: Pem,
}

/// What the files of [`Tls`] hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pem {
    /// The authorities.
    pub ca: String,
    /// The certificate and its key.
    pub identity: Option<(String, Secret)>,
}

/// The backends as they are written: exactly one of them is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Backends {
    sqlite: Option<Sqlite>,
    etcd: Option<Box<Etcd>>,
    kubernetes: Option<Kubernetes>,
}

impl TryFrom<Backends> for Datastore {
    type Error = String;

    fn try_from(backends: Backends) -> Result<Self, String> {
        let Backends { sqlite, etcd, kubernetes } = backends;
        let named = [
            sqlite.map(|sqlite| ("sqlite", Self::Sqlite(sqlite))),
            etcd.map(|etcd| ("etcd", Self::Etcd(etcd))),
            kubernetes.map(|kubernetes| ("kubernetes", Self::Kubernetes(kubernetes))),
        ];
        let mut named: Vec<(&str, Self)> = named.into_iter().flatten().collect();
        match (named.pop(), named.is_empty()) {
            (Some((_, one)), true) => Ok(one),
            (None, _) => Err("names no backend; write one of sqlite, etcd and kubernetes".to_owned()),
            (Some((last, _)), false) => {
                let others: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
                Err(format!(
                    "names {} and {last}; keep one of them (FABRIC_DATASTORE_PATH and --datastore-path name sqlite, \
                     FABRIC_ETCD_ENDPOINTS and --etcd-endpoints name etcd)",
                    others.join(", ")
                ))
            }
        }
    }
}

/// For people.
impl fmt::Display for Datastore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(sqlite) => write!(formatter, "{}", sqlite.path.display()),
            Self::Etcd(etcd) => write!(formatter, "etcd at {}", etcd.endpoints.join(", ")),
            Self::Kubernetes(Kubernetes { kubeconfig: Some(file) }) => {
                write!(formatter, "the cluster of {}", file.display())
            }
            Self::Kubernetes(Kubernetes { kubeconfig: None }) => {
                formatter.write_str("the cluster of this pod")
            }
        }
    }
}

impl Datastore {
    /// Whether something else writes the Node objects there.
    #[must_use]
    pub const fn has_kubelet(&self) -> bool {
        matches!(self, Self::Kubernetes(_))
    }

    /// Files that it names, apart from the database itself.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let Self::Etcd(etcd) = self else { return Vec::new() };
        let tls = etcd
            .tls
            .iter()
            .flat_map(|tls| std::iter::once(&tls.ca_file).chain(&tls.cert_file).chain(&tls.key_file));
        tls.chain(&etcd.password_file).cloned().collect()
    }

    /// Reads those files; what is wrong with them comes back.
    pub(super) fn read(&mut self, document: &Document) -> Vec<Problem> {
        let mut problems = Vec::new();
        let Self::Etcd(etcd) = self else { return problems };
        let mut read = |key: &str, file: &Path| match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                let key = format!("datastore.etcd.{key}");
                problems.push(document.problem(&key, format!("{} cannot be read: {error}", file.display())));
                String::new()
            }
        };
        if let Some(tls) = &mut etcd.tls {
            tls.pem.ca = read("tls.caFile", &tls.ca_file);
            tls.pem.identity = tls
                .cert_file
                .as_deref()
                .zip(tls.key_file.as_deref())
                .map(|(cert, key)| (read("tls.certFile", cert), Secret(read("tls.keyFile", key).into())));
        }
        if let Some(file) = &etcd.password_file {
            // Editors close the last line.
            let text = read("passwordFile", file);
            etcd.password = Some(Secret(text.trim_end_matches(['\r', '\n']).into()));
        }
        problems
    }
}

fn default_prefix() -> String {
    "/fabric".to_owned()
}
