//! Runs what every backend must pass against a real Kubernetes API server.
//!
//! ```text
//! kubernetes-contract KUBECONFIG COMMAND
//! ```
//!
//! The definitions of `deploy/crds` are installed there, and the kubeconfig's user may do everything. COMMAND
//! makes the API server forget: it compacts etcd up to its newest revision and restarts the API server, whose
//! memory of changes would hide that. Connections go through a relay on loopback, which cuts them when the
//! suite asks for it.

#![allow(clippy::print_stdout, reason = "it reports to whoever runs it")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datastore::contract::{self, Backend};
use datastore::{Kind, KubernetesStore, Store};
use futures_util::future::{BoxFuture, FutureExt as _};
use kube::config::Kubeconfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// For how long nobody is let in.
const CUT: Duration = Duration::from_millis(500);

/// The API server, behind the relay.
struct Server {
    kubeconfig: PathBuf,
    command: String,
    is_open: watch::Sender<bool>,
}

impl Backend for Server {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>> {
        async {
            let store = KubernetesStore::new(Some(&self.kubeconfig)).await;
            #[allow(clippy::expect_used, reason = "a suite fails by panicking")]
            let store: Arc<dyn Store> = Arc::new(store.expect("the kubeconfig can be used"));
            store
        }
        .boxed()
    }

    fn compact(&self) -> BoxFuture<'_, ()> {
        async {
            let done = tokio::process::Command::new("sh").args(["-c", &self.command]).status().await;
            assert!(done.is_ok_and(|status| status.success()), "`{}` failed", self.command);
            self.awake().await;
        }
        .boxed()
    }

    fn interrupt(&self) -> BoxFuture<'_, ()> {
        async {
            self.is_open.send_replace(false);
            tokio::time::sleep(CUT).await;
            self.is_open.send_replace(true);
        }
        .boxed()
    }
}

impl Server {
    /// Asks for every kind. An API server begins to remember the changes of a custom resource when it is
    /// first asked for it, and the suite lists only what it writes. (Who uses the store lists everything
    /// before watching.)
    async fn awake(&self) {
        let store = self.open().await;
        for kind in Kind::ALL {
            let listed = store.list(kind).await.map(drop);
            assert_eq!(listed, Ok(()), "{kind}");
        }
    }
}

/// Passes on what is said between those that connect and the server, while it is open.
async fn relay(listener: TcpListener, server: String, is_open: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (server, mut is_open) = (server.clone(), is_open.clone());
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = is_open.wait_for(|is_open| !is_open) => {}
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
            }
        });
    }
}

/// The kubeconfig with the relay in the place of the server, whose certificate is still expected; and the
/// server.
fn through(kubeconfig: &Path, relay: &str, folder: &Path) -> Result<(PathBuf, String), Box<dyn Error>> {
    let mut kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let cluster = kubeconfig.clusters.first_mut().and_then(|cluster| cluster.cluster.as_mut());
    let cluster = cluster.ok_or("the kubeconfig has no cluster")?;
    let url = cluster.server.take().ok_or("the kubeconfig's first cluster has no server")?;
    let server = url.strip_prefix("https://").ok_or("the server is not reached by https")?.to_owned();
    cluster.tls_server_name = server.rsplit_once(':').map(|(name, _)| name.to_owned());
    cluster.server = Some(format!("https://{relay}"));
    let path = folder.join("kubeconfig");
    std::fs::write(&path, serde_json::to_vec(&kubeconfig)?)?;
    Ok((path, server))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, command] = arguments.as_slice() else {
        return Err("usage: kubernetes-contract KUBECONFIG COMMAND-THAT-COMPACTS-AND-RESTARTS".into());
    };
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let (kubeconfig, server) = through(Path::new(kubeconfig), &address, folder.path())?;
    let (is_open, opened) = watch::channel(true);
    tokio::spawn(relay(listener, server, opened));
    let backend = Server { kubeconfig, command: command.clone(), is_open };
    backend.awake().await;
    contract::run_all(&backend).await;
    println!("the API server passed the whole contract");
    Ok(())
}
