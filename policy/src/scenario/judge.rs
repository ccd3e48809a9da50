//! What the specification, the compiler's program, and the engine's program and explanation say of a packet.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;

use super::Scenario;
use super::build::endpoint_id;
use crate::compile::compile;
use crate::evaluate::{Decision, Packet, Transport, evaluate};
use crate::explain::Explanation;
use crate::program::{Family, Program, Protocol, Verdict};
use crate::spec::{self, Judgement};

impl Scenario {
    /// The program of a node that has all pods.
    pub(crate) fn program(&self) -> Program {
        compile(&self.model(), &self.pods())
    }

    /// The program that such a node's engine has.
    pub(crate) fn engine_program(&self) -> Program {
        let mut engine = self.engine();
        engine.settle();
        engine.program().clone()
    }

    /// An address, or the first address of a pod (`shop/web`).
    fn address(&self, end: &str) -> IpAddr {
        if !end.contains('/') {
            return end.parse().unwrap();
        }
        let id = endpoint_id(end);
        let named = |pod: &&Pod| {
            pod.metadata.namespace.as_ref() == Some(&id.namespace)
                && pod.metadata.name.as_ref() == Some(&id.name)
        };
        let pod = self.cluster.pods.iter().find(named).unwrap();
        pod.status.as_ref().unwrap().pod_ips.as_ref().unwrap()[0].ip.parse().unwrap()
    }

    /// `service`: `tcp/80`; `tcp/1024>80`, with the port that it comes from; `icmp`, an echo request; `icmp/3/1`, with
    /// type and code; `47`, a protocol.
    pub(crate) fn packet(&self, from: &str, to: &str, service: &str) -> Packet {
        let (source, destination) = (self.address(from), self.address(to));
        let transport = match service.split_once('/') {
            Some(("icmp", message)) => {
                let (kind, code) = message.split_once('/').unwrap();
                Transport::Icmp { kind: kind.parse().unwrap(), code: code.parse().unwrap() }
            }
            Some((protocol, ports)) => {
                let protocol = match protocol {
                    "tcp" => Protocol::Tcp,
                    "udp" => Protocol::Udp,
                    "sctp" => Protocol::Sctp,
                    _ => panic!("{service}"),
                };
                match ports.split_once('>') {
                    Some((source, destination)) => Transport::Port {
                        protocol,
                        source: source.parse().unwrap(),
                        destination: destination.parse().unwrap(),
                    },
                    None => Transport::to_port(protocol, ports.parse().unwrap()),
                }
            }
            None if service == "icmp" => Transport::echo(Family::of(source)),
            None => Transport::Other(service.parse().unwrap()),
        };
        Packet { source, destination, transport }
    }

    /// Whether both ends allow it: according to the specification, the compiler and the engine, which must agree.
    #[track_caller]
    pub(crate) fn allows(&self, from: &str, to: &str, service: &str) -> bool {
        let packet = self.packet(from, to, service);
        let program = self.program();
        assert_eq!(self.engine_program(), program, "the engine's is not that of the compiler");
        assert_eq!(
            self.disagreement(&program, &packet),
            None,
            "program and specification, {packet:?}\n{program}"
        );
        let verdict = evaluate(&program, &packet).verdict();
        assert_eq!(
            self.explain(from, to, service).verdict,
            verdict,
            "the explanation's, {packet:?}\n{program}"
        );
        verdict == Verdict::Allow
    }

    pub(crate) fn explain(&self, from: &str, to: &str, service: &str) -> Explanation {
        self.engine().explain(&self.packet(from, to, service))
    }

    /// What the program decides about a packet and what the specification does, if they differ, end by end.
    pub(crate) fn disagreement(&self, program: &Program, packet: &Packet) -> Option<(Judgement, Judgement)> {
        let evaluation = evaluate(program, packet);
        let allowed =
            |end: &Option<Decision>| end.as_ref().map(|decision| decision.verdict() == Verdict::Allow);
        let (egress, ingress) = (allowed(&evaluation.egress), allowed(&evaluation.ingress));
        let (decided, wanted) = (Judgement { egress, ingress }, spec::judge(&self.cluster, packet));
        (decided != wanted).then_some((decided, wanted))
    }

    /// Checks many packets: `(from, to, service, allowed)`.
    #[track_caller]
    pub(crate) fn check(&self, packets: &[(&str, &str, &str, bool)]) {
        for (from, to, service, allowed) in packets {
            assert_eq!(self.allows(from, to, service), *allowed, "{from} -> {to} {service}");
        }
    }

    /// The problems of all policies.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.engine().summaries().into_iter().flat_map(|summary| summary.problems).collect()
    }
}
