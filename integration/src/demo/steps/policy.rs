//! Step 4: an ordinary NetworkPolicy. The allowed client still gets through, the other one does not, and the agent says
//! which rule decided.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::demo::scene::{PORT, Scene, connect, connect_as};
use crate::demo::stage::Stage;
use crate::eventually::eventually;
use crate::pod::Pod;
use crate::probe::tcp::Outcome;

const SERVER: &str = "shop/backend";
const ALLOWED: &str = "shop/frontend";
const DENIED: &str = "guest/visitor";

/// From applying the policy until the kernels hold it.
const POLICY_PATIENCE: Duration = Duration::from_secs(15);

const MANIFEST: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: shop
  name: backend-from-frontend
spec:
  podSelector:
    matchLabels: { app: backend }
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels: { app: frontend }
      ports:
        - { protocol: TCP, port: http }
";

/// Shows and checks it.
///
/// # Errors
/// When the policy is refused.
pub fn play(scene: &mut Scene, stage: &mut Stage) -> Result<()> {
    let (server, allowed, denied) = (scene.pod(SERVER)?, scene.pod(ALLOWED)?, scene.pod(DENIED)?);
    stage.check(
        "before, both clients get through",
        passes(allowed, server).and_then(|_| passes(denied, server)),
    );

    // Applied on a node that has neither the server nor the clients' fate in its hands.
    let node = scene.node(denied.node())?;
    let applied = node.apply("backend-from-frontend.yaml", MANIFEST)?;
    stage.show(node.name(), "cat backend-from-frontend.yaml", MANIFEST);
    stage.show(node.name(), "fabricctl apply -f backend-from-frontend.yaml", &applied);

    let kept_out =
        eventually("the other client is kept out", POLICY_PATIENCE, || is_kept_out(denied, server));
    stage.check("the other client is kept out, over IPv4 and IPv6", kept_out);
    stage.check("the allowed client still gets through", passes(allowed, server));

    for (client, allowed) in [(ALLOWED, true), (DENIED, false)] {
        let explained = explain(scene, stage, client, allowed);
        let verdict = if allowed { "allows" } else { "denies" };
        stage.check(&format!("policy explain says what {verdict} {client}"), explained);
    }
    Ok(())
}

fn passes(client: &Pod, server: &Pod) -> Result<String> {
    for address in server.addresses() {
        connect_as(client.namespace(), client.address_like(*address)?, *address)?;
    }
    Ok(format!("{} connects to {} over IPv4 and IPv6", client.full_name(), server.full_name()))
}

fn is_kept_out(client: &Pod, server: &Pod) -> Result<String> {
    for address in server.addresses() {
        match connect(client.namespace(), *address)? {
            Outcome::TimedOut | Outcome::Refused => {}
            other @ (Outcome::Connected { .. } | Outcome::Unreachable) => bail!("to {address}: {other:?}"),
        }
    }
    Ok(format!("{} does not reach {}", client.full_name(), server.full_name()))
}

fn explain(scene: &Scene, stage: &Stage, client: &str, allowed: bool) -> Result<String> {
    // The node of the server decides about what comes in to it.
    let node = scene.node(scene.pod(SERVER)?.node())?;
    stage.fabricctl(node, &["policy", "explain", client, SERVER, &PORT.to_string()])?;
    let verdict = node.explain(client, SERVER, PORT)?;
    ensure!(verdict.allowed == allowed, "it says allowed: {}", verdict.allowed);
    let Some(ingress) = verdict.directions.into_iter().find(|direction| direction.direction == "Ingress")
    else {
        bail!("it says nothing of ingress");
    };
    let named = match &ingress.decided_by {
        Some(rule) => format!("{}/{}", rule.namespace, rule.policy),
        None => ingress.considered.join(", "),
    };
    ensure!(named == "shop/backend-from-frontend", "it names {named:?}");
    ensure!(ingress.decided_by.is_some() == allowed, "a rule decides if and only if one allows");
    Ok(ingress.reason)
}
