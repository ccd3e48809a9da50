//! The connection to the agent.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use proto::v1::bgp_client::BgpClient;
use proto::v1::ipam_client::IpamClient;
use proto::v1::node_client::NodeClient;
use proto::v1::policy_client::PolicyClient;
use proto::v1::resources_client::ResourcesClient;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use crate::failure::Failure;

pub(crate) mod pages;

/// A full table of a million routes is some hundred megabytes; tonic's own limit of 4 would cut it off.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// An agent that accepted the connection.
pub(crate) struct Agent {
    channel: Channel,
    timeout: Duration,
}

impl Agent {
    /// Connects.
    pub(crate) async fn connect(socket: &Path, timeout: Duration) -> Result<Self, Failure> {
        match tokio::time::timeout(timeout, proto::client::connect(socket)).await {
            Ok(Ok(channel)) => Ok(Self { channel, timeout }),
            Ok(Err(error)) => Err(Failure::of_connect(socket, &error)),
            Err(_elapsed) => Err(Failure::of_timeout(timeout)),
        }
    }

    /// Waits for the answer to one request, no longer than the user wants.
    pub(crate) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.try_ask(request).await?.map_err(|status| Failure::of_status(&status, self.timeout))
    }

    /// The same, for callers to whom some statuses mean something of their own.
    pub(crate) async fn try_ask<T>(
        &self,
        request: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Result<T, Status>, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(answer) => Ok(answer.map(Response::into_inner)),
            Err(_elapsed) => Err(Failure::of_timeout(self.timeout)),
        }
    }

    /// The next message of a stream, if there is one; while `patient`, however long it takes.
    pub(crate) async fn next<T>(
        &self,
        stream: &mut Streaming<T>,
        patient: bool,
    ) -> Result<Option<T>, Failure> {
        let next = if patient {
            stream.message().await
        } else {
            tokio::time::timeout(self.timeout, stream.message())
                .await
                .map_err(|_elapsed| Failure::of_timeout(self.timeout))?
        };
        next.map_err(|status| Failure::of_status(&status, self.timeout))
    }

    /// How long the user wants to wait.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The service of that name.
    pub(crate) fn bgp(&self) -> BgpClient<Channel> {
        BgpClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of that name.
    pub(crate) fn ipam(&self) -> IpamClient<Channel> {
        IpamClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of that name.
    pub(crate) fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of that name.
    pub(crate) fn policy(&self) -> PolicyClient<Channel> {
        PolicyClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The service of that name.
    pub(crate) fn resources(&self) -> ResourcesClient<Channel> {
        ResourcesClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}
