//! `reset`: `{peer, reset}`.

use proto::v1;
use serde::Serialize;

use crate::output::View;

/// What was done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    peer: String,
    /// `hard`, `soft-in` or `soft-out`.
    reset: &'static str,
}

impl Done {
    /// Of this kind.
    pub(crate) fn new(message: v1::ResetPeerResponse, kind: v1::ResetKind) -> Self {
        let reset = match kind {
            v1::ResetKind::Hard => "hard",
            v1::ResetKind::SoftIn => "soft-in",
            v1::ResetKind::SoftOut => "soft-out",
        };
        Self { peer: message.peer, reset }
    }
}

impl View for Done {
    fn render(&self) -> String {
        let done = match self.reset {
            "hard" => "its session ends and starts anew",
            "soft-in" => "its routes are judged and asked for anew",
            _ => "it is told everything again",
        };
        format!("{}: {done}\n", self.peer)
    }

    fn remark_if_empty(&self) -> &'static str {
        // Something was done.
        ""
    }
}
