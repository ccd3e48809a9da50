//! What a request is about, named so that every call finds the same things again.

use std::net::IpAddr;

use policy::program::EndpointId;
use proto::v1;
use tonic::Status;

use crate::cni;

/// The namespace of containers that are no pods.
const DEFAULT_NAMESPACE: &str = "default";

/// One interface of one container, named so that every call finds the same things again.
pub(super) struct Attachment {
    pub(super) endpoint: EndpointId,
    pub(super) container_id: String,
    pub(super) interface: String,
    pub(super) host_interface: String,
    pub(super) handle: String,
}

impl Attachment {
    /// Names everything; `pod` is `(namespace, name)` where the container is one.
    pub(super) fn new(attachment: v1::CniAttachment, pod: Option<(&str, &str)>) -> Result<Self, Status> {
        let v1::CniAttachment { container_id, interface, network } = attachment;
        for (field, value) in
            [("container_id", &container_id), ("interface", &interface), ("network", &network)]
        {
            if value.is_empty() {
                return Err(Status::invalid_argument(format!("attachment.{field}: missing")));
            }
        }
        let (namespace, name) = pod.unwrap_or((DEFAULT_NAMESPACE, &container_id));
        Ok(Self {
            endpoint: EndpointId { namespace: namespace.to_owned(), name: name.to_owned() },
            host_interface: cni::host_interface_name(&container_id, &interface),
            handle: format!("{network}.{container_id}.{interface}"),
            container_id,
            interface,
        })
    }

    pub(super) fn of_request(request: &v1::CniAddRequest) -> Result<Self, Status> {
        let attachment =
            request.attachment.clone().ok_or_else(|| Status::invalid_argument("attachment: missing"))?;
        match (request.pod_namespace.as_str(), request.pod_name.as_str()) {
            ("", "") => Self::new(attachment, None),
            ("", _) | (_, "") => {
                Err(Status::invalid_argument("pod_namespace and pod_name: give both or neither"))
            }
            pod => Self::new(attachment, Some(pod)),
        }
    }
}

/// Bare addresses or with a prefix length, as the plugin passes them on: at most one of each family, as the policy for a pod
/// knows one.
pub(super) fn requested(texts: &[String]) -> Result<Vec<IpAddr>, Status> {
    let parse = |text: &String| {
        let address = text.split('/').next().unwrap_or_default().parse();
        address
            .map_err(|_| Status::invalid_argument(format!("requested address \"{text}\": not an IP address")))
    };
    let addresses = texts.iter().map(parse).collect::<Result<Vec<IpAddr>, Status>>()?;
    for (family, is_it) in [("IPv4", true), ("IPv6", false)] {
        if addresses.iter().filter(|address| address.is_ipv4() == is_it).count() > 1 {
            let message = format!("two {family} addresses were asked for; ask for at most one per family");
            return Err(Status::invalid_argument(message));
        }
    }
    Ok(addresses)
}
