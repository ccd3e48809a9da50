//! `ipam watch`: one object each: `{event, allocation}`.

use proto::v1;
use proto::v1::allocation_event::Event as Message;
use serde::Serialize;

use super::ipam::allocation::Allocation;
use crate::output::View;
use crate::output::table::clean;

/// Something that happened to an address.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllocationEvent {
    /// `assigned`, `released`; `synchronised`; empty for what is not known to this fabricctl.
    event: &'static str,
    allocation: Option<Allocation>,
}

impl From<v1::AllocationEvent> for AllocationEvent {
    fn from(message: v1::AllocationEvent) -> Self {
        let (event, allocation) = match message.event {
            Some(Message::Assigned(allocation)) => ("assigned", Some(allocation)),
            Some(Message::Released(allocation)) => ("released", Some(allocation)),
            Some(Message::Synchronised(v1::Synchronised {})) => ("synchronised", None),
            // Of a newer agent.
            None => ("", None),
        };
        Self { event, allocation: allocation.map(Allocation::from) }
    }
}

impl View for AllocationEvent {
    fn render(&self) -> String {
        let words = match (self.event, &self.allocation) {
            (event, Some(allocation)) => format!("{event}   {}", allocation.sentence()),
            ("synchronised", None) => "synchronised: this was all that is in use".to_owned(),
            (_, None) => "something that is not known to this fabricctl".to_owned(),
        };
        clean(words) + "\n"
    }

    fn remark_if_empty(&self) -> &'static str {
        // Each says something.
        ""
    }
}
