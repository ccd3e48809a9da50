//! Listings that come in pages: fetched one after the other, shown as one.

use std::future::Future;

use proto::v1;
use tonic::{Code, Response, Status};

use super::Agent;
use crate::failure::Failure;

/// How often a listing is begun again whose pages have grown too old to go on.
const ATTEMPTS: usize = 3;

/// One page of a listing.
pub(crate) trait Page {
    /// Of what.
    type Item;

    /// What is on it, and the token of the next; an empty one where this is the last.
    fn open(self) -> (Vec<Self::Item>, String);
}

impl Page for v1::ListBlocksResponse {
    type Item = v1::Block;

    fn open(self) -> (Vec<v1::Block>, String) {
        (self.blocks, self.next_page_token)
    }
}

impl Page for v1::ListAllocationsResponse {
    type Item = v1::Allocation;

    fn open(self) -> (Vec<v1::Allocation>, String) {
        (self.allocations, self.next_page_token)
    }
}

impl Agent {
    /// Everything on every page; `ask` sends the request for the page of a token. Each page may take as long as the user
    /// wants to wait.
    pub(crate) async fn list<P: Page, F>(&self, ask: impl Fn(String) -> F) -> Result<Vec<P::Item>, Failure>
    where
        F: Future<Output = Result<Response<P>, Status>>,
    {
        for _ in 0..ATTEMPTS {
            if let Some(all) = self.try_list(&ask).await? {
                return Ok(all);
            }
        }
        Err(Failure::Failed(
            "what is listed changed faster than it could be read: ask for less of it, with --node or --pool"
                .to_owned(),
        ))
    }

    /// The same once; nothing where the agent could not go on from a page.
    async fn try_list<P: Page, F>(&self, ask: &impl Fn(String) -> F) -> Result<Option<Vec<P::Item>>, Failure>
    where
        F: Future<Output = Result<Response<P>, Status>>,
    {
        let mut all = Vec::new();
        let mut token = String::new();
        loop {
            let (items, next) = match self.try_ask(ask(token.clone())).await? {
                Ok(page) => page.open(),
                Err(status) if status.code() == Code::Aborted && !token.is_empty() => return Ok(None),
                Err(status) => return Err(Failure::of_status(&status, self.timeout())),
            };
            all.extend(items);
            if next.is_empty() {
                return Ok(Some(all));
            }
            if next == token {
                return Err(Failure::Failed(
                    "the agent's listing does not end: it repeats a page".to_owned(),
                ));
            }
            token = next;
        }
    }
}
