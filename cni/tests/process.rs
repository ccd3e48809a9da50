//! The real binary, called as a container runtime calls it, against a gRPC server on a Unix socket.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use proto::v1::cni_server::{Cni, CniServer};
use proto::v1::node_server::{Node, NodeServer};
use proto::v1::{
    CniAddRequest, CniAddResponse, CniAddress, CniAttachment, CniDelRequest, CniDelResponse, CniRoute,
    GetStatusRequest, ListEndpointsRequest, ListEndpointsResponse, NodeStatus,
};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

/// What the server was asked, and what it is to answer other than success.
#[derive(Default)]
struct Script {
    adds: Mutex<Vec<CniAddRequest>>,
    dels: Mutex<Vec<CniDelRequest>>,
    refusal: Mutex<Option<Status>>,
    problems: Mutex<Vec<String>>,
}

impl Script {
    fn verdict(&self) -> Result<(), Status> {
        self.refusal.lock().expect("lock").clone().map_or(Ok(()), Err)
    }
}

struct Service(Arc<Script>);

#[tonic::async_trait]
impl Cni for Service {
    async fn add(&self, request: Request<CniAddRequest>) -> Result<Response<CniAddResponse>, Status> {
        assert!(request.metadata().contains_key("grpc-timeout"), "the agent knows the deadline");
        self.0.verdict()?;
        self.0.adds.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(CniAddResponse {
            host_interface: "fab0123456789".to_owned(),
            host_mac: "ee:ee:ee:ee:ee:ee".to_owned(),
            container_mac: "02:00:00:00:00:01".to_owned(),
            mtu: 1500,
            addresses: vec![
                CniAddress { address: "10.65.0.2/32".to_owned(), gateway: "169.254.1.1".to_owned() },
                CniAddress { address: "fd65::2/128".to_owned(), gateway: "fe80::1".to_owned() },
            ],
            routes: vec![CniRoute { destination: "0.0.0.0/0".to_owned(), gateway: "169.254.1.1".to_owned() }],
        }))
    }

    async fn del(&self, request: Request<CniDelRequest>) -> Result<Response<CniDelResponse>, Status> {
        self.0.verdict()?;
        self.0.dels.lock().expect("lock").push(request.into_inner());
        Ok(Response::new(CniDelResponse {}))
    }
}

#[tonic::async_trait]
impl Node for Service {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<NodeStatus>, Status> {
        self.0.verdict()?;
        let problems = self.0.problems.lock().expect("lock").clone();
        Ok(Response::new(NodeStatus { ready: problems.is_empty(), problems, ..NodeStatus::default() }))
    }

    async fn list_endpoints(
        &self,
        _: Request<ListEndpointsRequest>,
    ) -> Result<Response<ListEndpointsResponse>, Status> {
        Err(Status::unimplemented("the plugin has no use for it"))
    }
}

/// A served socket; the server ends with it.
struct Agent {
    script: Arc<Script>,
    socket: PathBuf,
    netns: PathBuf,
    _runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let socket = directory.path().join("agent.sock");
        // To the plugin a namespace is a path that exists; what is behind it is the agent's business.
        let netns = directory.path().join("netns");
        std::fs::write(&netns, "").expect("file");
        let script = Arc::new(Script::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let listener = {
            let _context = runtime.enter();
            UnixListener::bind(&socket).expect("socket")
        };
        let server = tonic::transport::Server::builder()
            .add_service(CniServer::new(Service(script.clone())))
            .add_service(NodeServer::new(Service(script.clone())))
            .serve_with_incoming(UnixListenerStream::new(listener));
        runtime.spawn(server);
        Self { script, socket, netns, _runtime: runtime, _directory: directory }
    }

    fn refuse(&self, status: Status) {
        *self.script.refusal.lock().expect("lock") = Some(status);
    }

    fn config(&self) -> Value {
        config(&self.socket)
    }

    /// The environment of `command`, with what kubelet adds.
    fn environment(&self, command: &str) -> Vec<(&'static str, String)> {
        vec![
            ("CNI_COMMAND", command.to_owned()),
            ("CNI_CONTAINERID", "c1".to_owned()),
            ("CNI_NETNS", self.netns.display().to_string()),
            ("CNI_IFNAME", "eth0".to_owned()),
            ("CNI_PATH", "/opt/cni/bin".to_owned()),
            (
                "CNI_ARGS",
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1"
                    .to_owned(),
            ),
        ]
    }
}

fn config(socket: &Path) -> Value {
    json!({"cniVersion": "1.1.0", "name": "fabric", "type": "fabric-cni", "socket": socket})
}

/// Runs the plugin: standard output, and whether it succeeded.
fn run(environment: &[(&str, String)], stdin: &str) -> (String, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fabric-cni"))
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the plugin starts");
    // The plugin may refuse before it has read: a closed pipe is no failure here.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("the plugin ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "standard error is silent");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}", output.status);
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.success())
}

/// The error object of a run that must fail.
fn fail(environment: &[(&str, String)], stdin: &str) -> Value {
    let (stdout, success) = run(environment, stdin);
    assert!(!success, "{stdout}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout:?}"))
}

#[test]
fn add_answers_what_the_agent_did() {
    let agent = Agent::start();
    let mut config = agent.config();
    config["mtu"] = 9000.into();
    config["args"] = json!({"cni": {"labels": [{"key": "app", "value": "web"}], "ips": ["10.65.0.2/32"]}});
    let (stdout, success) = run(&agent.environment("ADD"), &config.to_string());
    assert!(success, "{stdout}");
    let expected = format!(
        r#"{{
  "cniVersion": "1.1.0",
  "dns": {{}},
  "interfaces": [
    {{
      "mac": "ee:ee:ee:ee:ee:ee",
      "mtu": 1500,
      "name": "fab0123456789"
    }},
    {{
      "mac": "02:00:00:00:00:01",
      "mtu": 1500,
      "name": "eth0",
      "sandbox": "{netns}"
    }}
  ],
  "ips": [
    {{
      "address": "10.65.0.2/32",
      "gateway": "169.254.1.1",
      "interface": 1
    }},
    {{
      "address": "fd65::2/128",
      "gateway": "fe80::1",
      "interface": 1
    }}
  ],
  "routes": [
    {{
      "dst": "0.0.0.0/0",
      "gw": "169.254.1.1"
    }}
  ]
}}
"#,
        netns = agent.netns.display()
    );
    assert_eq!(stdout, expected);
    let asked = agent.script.adds.lock().expect("lock").clone();
    assert_eq!(
        asked,
        [CniAddRequest {
            attachment: Some(CniAttachment {
                container_id: "c1".to_owned(),
                interface: "eth0".to_owned(),
                network: "fabric".to_owned(),
            }),
            netns: agent.netns.display().to_string(),
            pod_namespace: "shop".to_owned(),
            pod_name: "web-0".to_owned(),
            pod_uid: "u1".to_owned(),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            requested_addresses: vec!["10.65.0.2".to_owned()],
            mtu: 9000,
        }]
    );
}

#[test]
fn del_is_silent_and_needs_no_namespace() {
    let agent = Agent::start();
    let mut environment = agent.environment("DEL");
    let (stdout, success) = run(&environment, &agent.config().to_string());
    assert!(success);
    assert_eq!(stdout, "");
    environment.retain(|(name, _)| *name != "CNI_NETNS");
    assert_eq!(run(&environment, &agent.config().to_string()), (String::new(), true));
    let asked = agent.script.dels.lock().expect("lock").clone();
    let namespaces: Vec<&str> = asked.iter().map(|request| request.netns.as_str()).collect();
    assert_eq!(namespaces, [agent.netns.to_str().expect("UTF-8"), ""]);
}

#[test]
fn refusals_of_the_agent_keep_their_words() {
    let agent = Agent::start();
    let table = [
        (Status::resource_exhausted("pool default: all 64 addresses in use"), 100, "no address is free"),
        (
            Status::not_found("netns /run/netns/x: gone"),
            3,
            "the container's network namespace does not exist",
        ),
        (Status::failed_precondition("/var/lib/fabric.db is damaged"), 104, "the agent failed"),
        (Status::already_exists("10.65.0.2 is shop/db-0's"), 101, "what was asked for is already in use"),
        (Status::unavailable("starting"), 11, "the agent cannot serve this now, try again later"),
    ];
    for (status, code, message) in table {
        agent.refuse(status.clone());
        let error = fail(&agent.environment("ADD"), &agent.config().to_string());
        assert_eq!(
            (&error["cniVersion"], &error["code"], &error["msg"]),
            (&json!("1.1.0"), &json!(code), &json!(message))
        );
        let details = error["details"].as_str().expect("details");
        assert!(details.starts_with(status.message()), "{details}");
    }
}

#[test]
fn an_absent_agent_is_an_invitation_to_retry() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let agent = Agent::start();
    let dead = directory.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("socket"));
    for socket in [directory.path().join("none.sock"), dead] {
        for command in ["ADD", "DEL"] {
            let error = fail(&agent.environment(command), &config(&socket).to_string());
            assert_eq!(error["code"], 11, "{error}");
            assert_eq!(error["msg"], format!("the agent is not reachable at {}", socket.display()));
            let details = error["details"].as_str().expect("details");
            assert!(details.contains("is felix-agent running? retry"), "{details}");
        }
        let error = fail(&agent.environment("STATUS"), &config(&socket).to_string());
        assert_eq!(error["code"], 50, "{error}");
    }
}

#[test]
fn status_is_the_agents() {
    let agent = Agent::start();
    // The specification gives STATUS no container.
    let environment = [("CNI_COMMAND", "STATUS".to_owned())];
    assert_eq!(run(&environment, &agent.config().to_string()), (String::new(), true));
    *agent.script.problems.lock().expect("lock") = vec!["no pool".to_owned()];
    let error = fail(&environment, &agent.config().to_string());
    assert_eq!(
        error,
        json!({"cniVersion": "1.1.0", "code": 50, "msg": "the agent is not ready", "details": "no pool"})
    );
}

#[test]
fn version_needs_no_agent() {
    let environment = [("CNI_COMMAND", "VERSION".to_owned())];
    let (stdout, success) = run(&environment, r#"{"cniVersion": "1.0.0"}"#);
    assert!(success);
    let answer: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(
        answer,
        json!({
            "cniVersion": "1.0.0",
            "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        })
    );
}

/// Variables to change, standard input, and the code and message to expect.
type Invalid = (&'static [(&'static str, &'static str)], String, u64, &'static str);

#[test]
fn bad_invocations_never_reach_the_agent() {
    let agent = Agent::start();
    let good = agent.config();
    let with = |key: &str, value: Value| {
        let mut config = good.clone();
        config[key] = value;
        config.to_string()
    };
    let table: [Invalid; 13] = [
        (&[], "{".to_owned(), 6, "the configuration on stdin is not a JSON object"),
        (&[], " ".repeat((1 << 20) + 1), 7, "the configuration is longer than 1048576 bytes"),
        (&[], with("cniVersion", json!("0.2.0")), 1, "cniVersion \"0.2.0\" is not supported"),
        (&[], with("cniVersion", json!("2.0.0")), 1, "cniVersion \"2.0.0\" is not supported"),
        (&[], with("ipam", json!({"type": "static"})), 2, "unsupported field ipam: {\"type\":\"static\"}"),
        (&[], with("name", json!("")), 7, "name: missing; every network has a name"),
        (&[("CNI_COMMAND", "")], good.to_string(), 4, "required environment variable CNI_COMMAND is missing"),
        (&[("CNI_NETNS", "")], good.to_string(), 4, "required environment variable CNI_NETNS is missing"),
        (&[("CNI_NETNS", "/none")], good.to_string(), 3, "CNI_NETNS=\"/none\": no such network namespace"),
        (&[("CNI_IFNAME", "a/b")], good.to_string(), 4, "CNI_IFNAME=\"a/b\" holds '/', ':' or white space"),
        (&[("CNI_COMMAND", "CHECK")], good.to_string(), 4, "CNI_COMMAND=CHECK is not supported"),
        (&[("CNI_COMMAND", "GC")], good.to_string(), 4, "CNI_COMMAND=GC is not supported"),
        (
            &[("CNI_COMMAND", "STATUS")],
            with("cniVersion", json!("1.0.0")),
            1,
            "CNI_COMMAND=STATUS needs cniVersion 1.1.0 or later, the configuration says 1.0.0",
        ),
    ];
    for (changes, stdin, code, message) in table {
        let mut environment = agent.environment("ADD");
        for (name, value) in changes {
            environment.retain(|(other, _)| other != name);
            environment.push((name, (*value).to_owned()));
        }
        let error = fail(&environment, &stdin);
        assert_eq!((&error["code"], &error["msg"]), (&json!(code), &json!(message)), "{error}");
        assert!(error["cniVersion"].is_string(), "{error}");
    }
    assert!(agent.script.adds.lock().expect("lock").is_empty());
}

#[test]
fn the_answer_is_in_the_version_of_the_question() {
    let agent = Agent::start();
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let mut config = agent.config();
        config["cniVersion"] = version.into();
        let (stdout, success) = run(&agent.environment("ADD"), &config.to_string());
        assert!(success, "{stdout}");
        let result: Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(result["cniVersion"], version);
        let expected = if version.starts_with('0') { json!("4") } else { Value::Null };
        assert_eq!(result["ips"][0]["version"], expected, "{version}");
        assert_eq!(result["interfaces"][1]["mtu"], Value::Null, "{version}");
    }
    let mut config = agent.config();
    config["cniVersion"] = "0.4.0".into();
    agent.refuse(Status::internal("broken"));
    let error = fail(&agent.environment("ADD"), &config.to_string());
    assert_eq!(
        error,
        json!({"cniVersion": "0.4.0", "code": 104, "msg": "the agent failed", "details": "broken"})
    );
}
