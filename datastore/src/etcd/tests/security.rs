//! Whom we trust, and who trusts us.

use std::net::IpAddr;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use tempfile::TempDir;

use super::super::server::Files;
use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A certificate for the tests' address or for another, and its key.
    fn issue(&self, address: IpAddr) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(address)];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    /// Files for a server at `address`.
    fn files(&self, directory: &TempDir, address: IpAddr, client_certificates: bool) -> Files {
        let (certificate, key) = self.issue(address);
        let write = |name: &str, contents: Vec<u8>| {
            let path = directory.path().join(name);
            std::fs::write(&path, contents).unwrap();
            path
        };
        Files {
            ca: write("ca.pem", self.pem()),
            certificate: write("server.pem", certificate),
            key: write("server.key", key),
            client_certificates,
        }
    }
}

fn here() -> IpAddr {
    EtcdServer::address().into()
}

fn tls(options: &Options, ca: Vec<u8>, identity: Option<(Vec<u8>, Vec<u8>)>) -> Options {
    Options { tls: Some(Tls { ca, identity }), ..options.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_members_of_our_authority_are_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let directory = TempDir::new().unwrap();
    let server = EtcdServer::start_cluster(1, Some(ours.files(&directory, here(), false)), &[]);
    let options = server.options("fabric");
    let store = EtcdStore::open(&tls(&options, ours.pem(), None)).await.unwrap();
    store.put(namespace("secret"), Precondition::Absent).await.unwrap();

    let both = [theirs.pem(), ours.pem()].concat();
    let store = EtcdStore::open(&tls(&options, both, None)).await.unwrap();
    assert!(store.get(&key("secret")).await.unwrap().is_some());

    let plain = Options { endpoints: vec![options.endpoints[0].replace("https", "http")], ..options.clone() };
    for (options, complaint) in [
        (tls(&options, theirs.pem(), None), "of an authority that is not among those to trust"),
        (tls(&options, b"nonsense".to_vec(), None), "hold no certificate"),
        (tls(&options, ours.issue(here()).1, None), "hold no certificate"),
        (tls(&options, ours.pem(), Some((b"x".to_vec(), b"y".to_vec()))), "cannot be used with TLS"),
        (tls(&plain, ours.pem(), None), "has no TLS, but TLS is configured"),
        (options.clone(), "wants TLS"),
    ] {
        let message = refusal(&options).await;
        assert!(message.contains(complaint), "{message}");
    }
    let message = hang_up(&plain).await;
    assert!(message.contains("check address and port, and whether it wants https://"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_not_accepted() {
    let ours = Authority::new("ours");
    let directory = TempDir::new().unwrap();
    let server = EtcdServer::start_cluster(1, Some(ours.files(&directory, here(), false)), &[]);
    let mut options = tls(&server.options("fabric"), ours.pem(), None);
    // The same server, by an address that is not in its certificate.
    let other = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let behind = options.endpoints[0].trim_start_matches("https://").to_owned();
    options.endpoints = vec![format!("https://{}", other.local_addr().unwrap())];
    tokio::spawn(async move {
        while let Ok((mut near, _)) = other.accept().await {
            let mut far = tokio::net::TcpStream::connect(&behind).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let message = refusal(&options).await;
    assert!(message.contains("has a certificate for another name"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_want_a_certificate_get_it() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let directory = TempDir::new().unwrap();
    let server = EtcdServer::start_cluster(1, Some(ours.files(&directory, here(), true)), &[]);
    let options = server.options("fabric");
    let store = EtcdStore::open(&tls(&options, ours.pem(), Some(ours.issue(here())))).await.unwrap();
    store.put(namespace("secret"), Precondition::Absent).await.unwrap();
    for identity in [None, Some(theirs.issue(here()))] {
        let message = hang_up(&tls(&options, ours.pem(), identity)).await;
        assert!(message.contains("our certificate") && message.contains("certFile"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_without_tls_is_recognised() {
    let ours = Authority::new("ours");
    let server = EtcdServer::start();
    let mut options = tls(&server.options("fabric"), ours.pem(), None);
    options.endpoints = vec![options.endpoints[0].replace("http", "https")];
    let message = hang_up(&options).await;
    assert!(message.contains("check whether it has TLS at all"), "{message}");
}

fn user(username: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: username.to_owned(), password: password.to_owned() })
}

/// Makes the users, and turns authentication on.
fn turn_on(server: &EtcdServer) {
    for arguments in [
        &["user", "add", "root:admin"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "fabric:pass word"],
        &["user", "add", "guest:guest"],
        &["role", "add", "fabric"],
        &["role", "grant-permission", "fabric", "readwrite", "/fabric/", "--prefix=true"],
        &["user", "grant-role", "fabric", "fabric"],
        &["auth", "enable"],
    ] {
        server.control(None, arguments);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_get_in_by_their_passwords() {
    let server = EtcdServer::start();
    let options = server.options("fabric");
    let known = Options { credentials: user("fabric", "pass word"), ..options.clone() };
    // A password does no harm where none is needed yet; and one that is there already is asked for it later.
    let early = EtcdStore::open(&known).await.unwrap();
    early.put(namespace("early"), Precondition::Absent).await.unwrap();
    let nameless = EtcdStore::open(&options).await.unwrap();
    turn_on(&server);
    early.put(namespace("late"), Precondition::Absent).await.unwrap();
    let store = EtcdStore::open(&known).await.unwrap();
    let mut changes = store.watch(Revision(0)).await.unwrap();
    assert_eq!(contract::next_of(Kind::Namespace, &mut changes).await.key, key("early"));

    let refused = nameless.get(&key("early")).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(why) if why.contains("configure user and password")),
        "{refused}"
    );
    for (credentials, prefix, complaint) in [
        (user("fabric", "password"), "fabric", "does not accept the password of user \"fabric\""),
        (user("nobody", "x"), "fabric", "does not accept the password of user \"nobody\""),
        (user("guest", "guest"), "fabric", "does not let user \"guest\" read and write"),
        (user("fabric", "pass word"), "other", "does not let user \"fabric\" read and write"),
        (None, "fabric", "wants to know who asks; configure user and password"),
    ] {
        let options = Options { credentials, prefix: prefix.to_owned(), ..options.clone() };
        let message = refusal(&options).await;
        assert!(message.contains(complaint), "{message}");
        assert!(!message.contains("pass word"), "{message}");
    }
    assert!(!format!("{known:?} {store:?}").contains("pass word"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_expires_is_renewed() {
    let server = EtcdServer::start_cluster(1, None, &["--auth-token-ttl", "1"]);
    turn_on(&server);
    let options = Options { credentials: user("fabric", "pass word"), ..server.options("fabric") };
    let store = EtcdStore::open(&options).await.unwrap();
    for round in 0..2 {
        // Long enough for the token to be forgotten; a test that is slower than that shows the same.
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        let name = format!("n{round}");
        let revision = store.put(namespace(&name), Precondition::Absent).await.unwrap();
        assert_eq!(store.get(&key(&name)).await.unwrap().unwrap().revision, revision);
        let _watching = store.watch(revision).await.unwrap();
    }
}
