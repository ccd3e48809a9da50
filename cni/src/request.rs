//! What to ask of the agent: pure translation, field by field.

use proto::v1::{CniAddRequest, CniAttachment, CniDelRequest};

use crate::config::Config;
use crate::environment::Attachment;

/// The request of an `ADD`.
pub fn plan_add(attachment: &Attachment, config: &Config) -> CniAddRequest {
    let pod = attachment.pod.as_ref();
    CniAddRequest {
        attachment: Some(name(attachment, config)),
        netns: attachment.netns.clone(),
        pod_namespace: pod.map(|pod| pod.namespace.clone()).unwrap_or_default(),
        pod_name: pod.map(|pod| pod.name.clone()).unwrap_or_default(),
        pod_uid: pod.map(|pod| pod.uid.clone()).unwrap_or_default(),
        labels: config.labels.clone().into_iter().collect(),
        requested_addresses: config.requested_addresses.iter().map(ToString::to_string).collect(),
        mtu: config.mtu,
    }
}

/// The request of a `DEL`.
pub fn plan_del(attachment: &Attachment, config: &Config) -> CniDelRequest {
    CniDelRequest { attachment: Some(name(attachment, config)), netns: attachment.netns.clone() }
}

fn name(attachment: &Attachment, config: &Config) -> CniAttachment {
    CniAttachment {
        container_id: attachment.container_id.clone(),
        interface: attachment.interface.clone(),
        network: config.name.clone(),
    }
}
