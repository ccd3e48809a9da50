//! Calls to whichever member answers, each within a bounded time.
//!
//! There is a connection to each member, made when it is first used and made anew when it was lost. Calls go to the
//! member that answered last. If it does not, calls that read ask the others in turn; calls that write do so only
//! while nothing can have been sent, since else they might be done twice.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::api::AuthenticateRequest;
use super::api::auth_client::AuthClient;
use super::failure::{self, Asked, Failure};
use super::options::{Credentials, Options};
use crate::error::Error;

/// How long a call may take in all.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// So much an answer may hold: a member sends a thousand values at once, and none is longer than 1.5 MiB by default.
pub(super) const LARGEST_ANSWER: usize = 1 << 30;

/// Says who asks.
pub(super) type Token = MetadataValue<Ascii>;

/// Whether a call may be made again at another member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It only reads.
    Always,
    /// It must not be done twice.
    IfUnsent,
}

#[derive(Debug)]
pub(super) struct Client {
    members: Vec<Member>,
    /// Which answered last.
    current: AtomicUsize,
    credentials: Option<Credentials>,
    session: Mutex<Session>,
}

#[derive(Debug)]
struct Member {
    endpoint: String,
    channel: Channel,
    has_answered: AtomicBool,
}

impl Member {
    fn asked<'a>(&'a self, credentials: Option<&'a Credentials>) -> Asked<'a> {
        Asked {
            endpoint: &self.endpoint,
            user: credentials.map(|credentials| credentials.username.as_str()),
            has_answered: self.has_answered.load(Ordering::Relaxed),
        }
    }
}

/// What members call us.
#[derive(Debug, Clone, PartialEq)]
enum Session {
    /// We have not said who we are.
    New,
    /// They do not care.
    Open,
    /// They know us by this.
    Known(Token),
}

impl Session {
    fn token(&self) -> Option<Token> {
        match self {
            Self::New | Self::Open => None,
            Self::Known(token) => Some(token.clone()),
        }
    }
}

impl Client {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let member = |(endpoint, how): (String, tonic::transport::Endpoint)| Member {
            endpoint,
            channel: how.connect_lazy(),
            has_answered: AtomicBool::new(false),
        };
        Ok(Self {
            members: options.parse()?.into_iter().map(member).collect(),
            current: AtomicUsize::new(0),
            credentials: options.credentials.clone(),
            session: Mutex::new(Session::New),
        })
    }

    /// Makes a call, at one member after the other until one answers.
    pub(super) async fn call<T>(
        &self,
        repeat: Repeat,
        request: impl Fn(Channel, Option<Token>) -> BoxFuture<'static, Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let attempts = timeout(DEADLINE, self.attempt(repeat, request)).await;
        attempts.unwrap_or_else(|_| {
            let index = self.current.load(Ordering::Relaxed);
            self.leave(index);
            let endpoint = self.members.get(index).map_or("", |member| member.endpoint.as_str());
            let limit = DEADLINE.as_secs();
            Err(Failure::Lost(format!("etcd at {endpoint} did not answer within {limit} s")))
        })
    }

    async fn attempt<T>(
        &self,
        repeat: Repeat,
        request: impl Fn(Channel, Option<Token>) -> BoxFuture<'static, Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let mut failures = Vec::new();
        for _ in 0..self.members.len() {
            let index = self.current.load(Ordering::Relaxed);
            let Some(member) = self.members.get(index) else { break };
            match self.ask(member, &request).await {
                Ok(answer) => return Ok(answer),
                Err(failure @ Failure::Unsent(_)) => failures.push(failure),
                Err(failure @ Failure::Lost(_)) => {
                    failures.push(failure);
                    if repeat == Repeat::IfUnsent {
                        self.leave(index);
                        break;
                    }
                }
                Err(failure) => return Err(failure),
            }
            self.leave(index);
        }
        Err(merge(failures))
    }

    /// Asks one member, saying who we are if it wants to know.
    async fn ask<T>(
        &self,
        member: &Member,
        request: &impl Fn(Channel, Option<Token>) -> BoxFuture<'static, Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let mut session = self.session(member, None).await?;
        let mut renewed = false;
        loop {
            let status = match request(member.channel.clone(), session.token()).await {
                Ok(response) => {
                    member.has_answered.store(true, Ordering::Relaxed);
                    return Ok(response.into_inner());
                }
                Err(status) => status,
            };
            match failure::read(&status, member.asked(self.credentials.as_ref())) {
                Failure::Token if !renewed && self.credentials.is_some() => {
                    renewed = true;
                    session = self.session(member, Some(&session)).await?;
                }
                failure @ (Failure::Token
                | Failure::Compacted
                | Failure::Future
                | Failure::Unsent(_)
                | Failure::Lost(_)
                | Failure::Refused(_)) => return Err(failure),
            }
        }
    }

    /// What members call us, asked anew if it is still `stale`.
    async fn session(&self, member: &Member, stale: Option<&Session>) -> Result<Session, Failure> {
        let mut session = self.session.lock().await;
        if *session != Session::New && stale.is_none_or(|stale| *stale != *session) {
            return Ok(session.clone());
        }
        *session = match &self.credentials {
            Some(credentials) => authenticate(member, credentials).await?,
            None => Session::Open,
        };
        Ok(session.clone())
    }

    /// The next call goes to the next member, unless others have already changed that.
    fn leave(&self, index: usize) {
        let next = (index + 1) % self.members.len();
        let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

async fn authenticate(member: &Member, credentials: &Credentials) -> Result<Session, Failure> {
    let Credentials { username, password } = credentials.clone();
    let request = AuthenticateRequest { name: username, password };
    match AuthClient::new(member.channel.clone()).authenticate(Request::new(request)).await {
        Ok(response) => {
            let token = response.into_inner().token;
            let unusable =
                |_| Failure::Refused(format!("the token of etcd at {} is unusable", member.endpoint));
            Ok(Session::Known(token.parse().map_err(unusable)?))
        }
        // Whoever has a password may use it where none is needed; it may be needed later.
        Err(status) if status.message().contains("authentication is not enabled") => Ok(Session::Open),
        Err(status) => Err(failure::read(&status, member.asked(Some(credentials)))),
    }
}

/// A request of whoever has this token. A member that has lost the others shall say so at once.
pub(super) fn request<M>(message: M, token: Option<Token>) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    if let Some(token) = token {
        request.metadata_mut().insert("token", token);
    }
    request
}

/// What it means that all of these members failed: a human must act only if that holds for each of them.
fn merge(failures: Vec<Failure>) -> Failure {
    let is_lost = failures.iter().any(|failure| matches!(failure, Failure::Lost(_)));
    let errors: Vec<Error> = failures.into_iter().map(Error::from).collect();
    let is_refused = !errors.is_empty() && errors.iter().all(|error| matches!(error, Error::Refused(_)));
    let said = |error: Error| match error {
        Error::Unavailable(why) | Error::Refused(why) => why,
        other @ (Error::Conflict { .. } | Error::Compacted { .. } | Error::Unreadable { .. }) => {
            other.to_string()
        }
    };
    let all = errors.into_iter().map(said).collect::<Vec<_>>().join("; ");
    match (is_refused, is_lost) {
        (true, _) => Failure::Unsent(Error::Refused(all)),
        (false, true) => Failure::Lost(all),
        (false, false) => Failure::Unsent(Error::Unavailable(all)),
    }
}
