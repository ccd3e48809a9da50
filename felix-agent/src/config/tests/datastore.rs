//! Where resources are kept: one backend, and how to reach it.

use super::super::{Config, Datastore, Overrides};
use super::{overrides, parse};

const SQLITE: &str = "{ sqlite: { path: /d } }";
const ETCD: &str = "{ etcd: { endpoints: [\"http://10.0.0.1:2379\", \"http://[fd00::1]:2379\"] } }";

fn file(datastore: &str) -> String {
    format!("node: {{ name: n, addresses: [10.0.0.1] }}\ndatastore: {datastore}\nbgp: {{ localAS: 65001 }}\n")
}

fn errors(datastore: &str) -> Vec<String> {
    parse(&file(datastore)).expect_err(datastore)
}

#[test]
fn each_backend_is_read() {
    let config = parse(&file(SQLITE)).expect("good");
    assert_eq!(config.datastore.to_string(), "/d");
    let config = parse(&file(ETCD)).expect("good");
    let Datastore::Etcd(etcd) = &config.datastore else { panic!("{:?}", config.datastore) };
    assert_eq!((etcd.endpoints.len(), etcd.prefix.as_str()), (2, "/fabric"));
    assert_eq!(config.datastore.to_string(), "etcd at http://10.0.0.1:2379, http://[fd00::1]:2379");
    let config = parse(&file("{ kubernetes: {} }")).expect("good");
    assert_eq!(config.datastore.to_string(), "the cluster of this pod");
    let config = parse(&file("{ kubernetes: { kubeconfig: /k } }")).expect("good");
    assert_eq!(config.datastore.to_string(), "the cluster of /k");
    assert!(config.datastore.has_kubelet());
    assert_eq!(
        errors("{ kubernetes: { kubeconfig: k } }"),
        ["agent.yaml:2:40: datastore.kubernetes.kubeconfig: is no absolute path; start it with '/'"]
    );
}

#[test]
fn it_is_exactly_one() {
    let none = "agent.yaml:2:12: datastore: names no backend; write one of sqlite, etcd and kubernetes";
    assert_eq!(errors("{}"), [none]);
    let both = errors("{ sqlite: { path: /d }, etcd: { endpoints: [\"http://h:1\"] } }");
    assert_eq!(both.len(), 1);
    assert!(
        both[0].starts_with("agent.yaml:2:12: datastore: names sqlite and etcd; keep one of them"),
        "{both:?}"
    );
    assert_eq!(
        errors("{ sqlite: { path: /d }, etdc: {} }"),
        ["agent.yaml:2:36: datastore.etdc: is unknown; did you mean \"etcd\"?"]
    );
    // A variable may be what names the other.
    let given = overrides(&[("FABRIC_DATASTORE_PATH", "/d")]);
    let both = Config::parse("agent.yaml", &file(ETCD), &given).expect_err("both").0;
    assert!(both[0].contains("--datastore-path name sqlite"), "{both:?}");
}

#[test]
fn each_mistake_about_etcd_has_its_place_and_remedy() {
    let tls = "tls: { caFile: /ca.pem }";
    for (etcd, wrong) in [
        ("endpoints: []", "endpoints: is empty; write at least one, such as http://10.0.0.1:2379"),
        (
            "endpoints: [\"10.0.0.1:2379\"]",
            "endpoints[0]: \"10.0.0.1:2379\" is no URL of etcd; write one like http://10.0.0.1:2379",
        ),
        (
            "endpoints: [\"http://10.0.0.1\"]",
            "endpoints[0]: \"http://10.0.0.1\" has no host and port at its end; write one like http://10.0.0.1:2379",
        ),
        (
            "endpoints: [\"https://h:1\"]",
            "endpoints[0]: is https, for which nobody vouches; add tls: { caFile: … }",
        ),
        (
            &format!("endpoints: [\"http://h:1\"], {tls}"),
            "endpoints[0]: is http, which knows no TLS; write https, or remove tls",
        ),
        (
            "endpoints: [\"http://h:1\"], prefix: fabric",
            "prefix: is no prefix of keys; write one like /fabric, of letters, digits, '-', '_' and '.' between the '/'",
        ),
        ("endpoints: [\"http://h:1\"], username: u", "username: has no password; add passwordFile"),
        ("endpoints: [\"http://h:1\"], passwordFile: /p", "passwordFile: is nobody's password; add username"),
        (
            "endpoints: [\"https://h:1\"], tls: { caFile: /ca, certFile: /c }",
            "tls.certFile: is of no use without its key; add keyFile",
        ),
        (
            "endpoints: [\"https://h:1\"], tls: { caFile: ca }",
            "tls.caFile: is no absolute path; start it with '/'",
        ),
    ] {
        let errors = errors(&format!("{{ etcd: {{ {etcd} }} }}"));
        assert_eq!(errors.len(), 1, "{errors:?}");
        let (_, said) = errors[0].split_once(": datastore.etcd.").expect("the key");
        assert_eq!(said, wrong);
    }
}

#[test]
fn the_files_that_it_names_are_read_and_watched() {
    let directory = tempfile::tempdir().expect("directory");
    let path = |name: &str| directory.path().join(name);
    let text = file(&format!(
        "{{ etcd: {{ endpoints: [\"https://h:1\"], username: u, passwordFile: {}, tls: {{ caFile: {}, certFile: {}, \
         keyFile: {} }} }} }}",
        path("password").display(),
        path("ca").display(),
        path("cert").display(),
        path("key").display()
    ));
    let main = path("agent.yaml");
    std::fs::write(&main, text).expect("written");
    let missing = Config::load(&main, &Overrides::default()).expect_err("missing").0;
    assert_eq!(missing.len(), 4, "{missing:?}");
    assert!(missing[0].contains("datastore.etcd.tls.caFile: ") && missing[0].contains("cannot be read"));
    for (name, content) in [("ca", "CA"), ("cert", "CERT"), ("key", "KEY"), ("password", "open sesame\n")] {
        std::fs::write(path(name), content).expect("written");
    }
    let config = Config::load(&main, &Overrides::default()).expect("good").config;
    let Datastore::Etcd(etcd) = &config.datastore else { panic!("{:?}", config.datastore) };
    assert_eq!(etcd.password.as_ref().map(|password| password.0.as_ref()), Some("open sesame"));
    let pem = &etcd.tls.as_ref().expect("tls").pem;
    assert_eq!(pem.ca, "CA");
    assert_eq!(pem.identity.as_ref().map(|(cert, key)| (cert.as_str(), &*key.0)), Some(("CERT", "KEY")));
    let debug = format!("{config:?}");
    assert!(!debug.contains("KEY") && !debug.contains("sesame"), "{debug}");
    let files = config.files(&main);
    assert_eq!(files, ["agent.yaml", "ca", "cert", "key", "password"].map(path));
}
