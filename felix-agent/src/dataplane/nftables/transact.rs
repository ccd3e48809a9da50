//! Making the kernel's table equal to the desired one.
//!
//! What was last applied is remembered together with the generation at which it was true. A transaction names that
//! generation, so the kernel itself refuses it (`ERESTART`) if anyone has changed any table since. Then, and at the
//! start, the table is read and the difference to what is really there is applied. If the kernel contradicts what is
//! remembered (`ENOENT`, `EEXIST`, `EBUSY`), it is read again; if it refuses the difference to what it has just shown, whoever
//! wants the table may want less of it ([`Wanted::refused`]), and in the end the whole table is replaced in one
//! transaction. Packets see none of it: each transaction is atomic.
//!
//! Rules have no names that we could choose. The kernel's, which a change of a chain needs, are read when it is due; the
//! generation that the transaction names says whether they still hold.

use std::collections::BTreeMap;
use std::io;

use thiserror::Error;

use super::diff::{Change, Transaction, changes_shape, diff, replace};
use super::encode::{Handles, encode};
use super::events::Events;
use super::read::{Actual, Snapshot, is_transient, read, read_generation, read_handles};
use super::scope::Part;
use super::socket::{Answer, NetfilterSocket, Rejection, answer};
use super::table::Table;

/// Attempts against changes by others.
const ATTEMPTS: usize = 8;

/// The table `inet fabric` of the network namespace that it was opened in.
pub struct Nftables {
    socket: NetfilterSocket,
    known: Option<Snapshot>,
    /// What the table last was, while somebody else has removed it or made something else of it.
    last: Option<Table>,
}

/// What the kernel held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former<'a> {
    /// Nothing, as far as is known.
    None,
    /// This.
    Held(&'a Table),
    /// This, until somebody else removed it or made something else of it.
    Lost(&'a Table),
}

impl<'a> Former<'a> {
    /// The table, whether it is still there or not.
    #[must_use]
    pub fn table(self) -> Option<&'a Table> {
        match self {
            Former::None => None,
            Former::Held(table) | Former::Lost(table) => Some(table),
        }
    }
}

/// A table that the kernel is to hold. It may depend on what it holds.
pub trait Wanted {
    /// The table. Asked again whenever the kernel turns out to hold something else.
    fn table(&mut self, former: Former<'_>) -> Table;

    /// A part of it, where the kernel holds what came of the last success and outside of the part that is what is wanted
    /// still. `None`: not known, ask for the table.
    fn part(&mut self, _held: &Table) -> Option<Part> {
        None
    }

    /// The table is about to be committed.
    fn before_commit(&mut self) {}

    /// The kernel refused this change (`None`: all of them together). True if less will be wanted when asked again.
    fn refused(&mut self, _change: Option<&Change>, _error: &Error) -> bool {
        false
    }
}

/// A table that depends on nothing.
impl Wanted for Table {
    fn table(&mut self, _former: Former<'_>) -> Table {
        self.clone()
    }
}

/// What an [`Nftables::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Changes sent; 0 if the kernel already held what was desired.
    pub changes: usize,
    /// Somebody else had altered or removed our table since we last applied.
    pub disturbed: bool,
    /// The table was replaced as a whole, which resets its counters.
    pub replaced: bool,
}

/// Why the kernel does not hold the desired table. It then holds what it held before.
#[derive(Debug, Error)]
pub enum Error {
    /// The socket does not work: privileges (`CAP_NET_ADMIN`) or the kernel's `nf_tables` are missing. Retrying alone
    /// does not help.
    #[error("netlink to nf_tables: {0}; the agent needs CAP_NET_ADMIN and a kernel with nf_tables")]
    Socket(#[source] io::Error),
    /// The kernel will not have this table, or lacks something it needs. Retrying the same does not help.
    #[error("the kernel refused to {action}: {source}{}", text.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The change that it refused.
        action: String,
        /// Its reason.
        source: io::Error,
        /// Its own words, if it had some.
        text: Option<String>,
    },
    /// Others changed the ruleset all the time. Try again later.
    #[error("other programs changed the nftables ruleset during each of {ATTEMPTS} attempts")]
    Contended,
}

enum Outcome {
    Committed,
    /// Somebody else was faster, or the answer was lost: what the kernel holds is not known.
    Unknown,
    /// The change, by its index, and why.
    Refused(Option<usize>, Error),
}

/// What to try after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    /// The difference to what is remembered.
    None,
    /// The difference to what is read.
    Read,
    /// The whole table.
    Replace,
}

impl Nftables {
    /// Opens the socket in the calling thread's network namespace. Reads and changes nothing yet.
    ///
    /// # Errors
    /// [`Error::Socket`].
    pub fn open() -> Result<Nftables, Error> {
        let socket = NetfilterSocket::connect().map_err(Error::Socket)?;
        Ok(Nftables { socket, known: None, last: None })
    }

    /// Tells when others touch the table. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Socket`].
    pub fn watch(&self) -> Result<Events, Error> {
        Events::watch(self.socket.port()).map_err(Error::Socket)
    }

    /// Makes the kernel hold what is wanted. Blocks for the time the kernel takes: microseconds for a few elements, tens of
    /// milliseconds for a first load of 10,000.
    ///
    /// # Errors
    /// The table is then as it was before.
    pub fn apply(&mut self, wanted: &mut dyn Wanted) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        let (mut remedy, mut attempts) = (Remedy::None, 0);
        // What is remembered is the last success.
        let mut is_last_success = self.known.as_ref().is_some_and(|known| known.generation != STALE);
        while attempts < ATTEMPTS {
            let known = self.look(&mut applied)?;
            let part = match &known.actual {
                Actual::Table(held) if std::mem::take(&mut is_last_success) => wanted.part(held),
                Actual::Table(_) | Actual::Absent | Actual::Unlike => None,
            };
            let part = part.filter(|part| !changes_shape(&part.before, &part.after));
            let goal = part.map_or_else(|| Goal::Whole(wanted.table(self.former(&known))), Goal::Part);
            let (transaction, whole) = goal.plan(&known.actual, remedy);
            if transaction.changes.is_empty() {
                let unchanged = read_generation(&mut self.socket).map_err(Error::Socket)? == known.generation;
                let generation = if unchanged { known.generation } else { STALE };
                self.known = Some(Snapshot { generation, ..known });
                if unchanged {
                    return Ok(applied);
                }
                attempts += 1;
                continue;
            }
            wanted.before_commit();
            match self.commit(&transaction, known.generation)? {
                Outcome::Committed => {
                    self.known = Some(successor(known, &goal));
                    return Ok(Applied { changes: transaction.changes.len(), replaced: whole, ..applied });
                }
                Outcome::Unknown => {
                    self.known = Some(Snapshot { generation: STALE, ..known });
                    attempts += 1;
                }
                Outcome::Refused(index, error) => {
                    self.known = Some(Snapshot { generation: STALE, ..known });
                    let change = index.and_then(|index| transaction.changes.get(index));
                    remedy = match remedy {
                        Remedy::None => Remedy::Read,
                        Remedy::Read if wanted.refused(change, &error) => Remedy::Read,
                        Remedy::Read => Remedy::Replace,
                        Remedy::Replace => return Err(error),
                    };
                }
            }
        }
        Err(Error::Contended)
    }

    fn former<'a>(&'a self, known: &'a Snapshot) -> Former<'a> {
        match (&known.actual, &self.last) {
            (Actual::Table(table), _) => Former::Held(table),
            (Actual::Absent | Actual::Unlike, Some(last)) => Former::Lost(last),
            (Actual::Absent | Actual::Unlike, None) => Former::None,
        }
    }

    /// What the kernel holds: remembered if that is still worth trying, else read.
    fn look(&mut self, applied: &mut Applied) -> Result<Snapshot, Error> {
        match self.known.take() {
            Some(known) if known.generation != STALE => Ok(known),
            before => {
                let read = read(&mut self.socket).map_err(|error| match is_transient(&error) {
                    true => Error::Contended,
                    false => Error::Socket(error),
                });
                let snapshot = match read {
                    Ok(snapshot) => snapshot,
                    Err(error) => {
                        self.known = before;
                        return Err(error);
                    }
                };
                applied.disturbed |= before.as_ref().is_some_and(|before| before.actual != snapshot.actual);
                match (&snapshot.actual, before.map(|before| before.actual)) {
                    (Actual::Table(_), _) => self.last = None,
                    (Actual::Absent | Actual::Unlike, Some(Actual::Table(table))) => self.last = Some(table),
                    (Actual::Absent | Actual::Unlike, _) => {}
                }
                Ok(snapshot)
            }
        }
    }

    /// The names of the rules of those chains that keep some and lose or get others.
    fn handles(&mut self, transaction: &Transaction) -> io::Result<Handles> {
        let mut handles = BTreeMap::new();
        for change in &transaction.changes {
            let (Change::DeleteRule(chain, _) | Change::AddRule(chain, Some(_), _)) = change else {
                continue;
            };
            if !handles.contains_key(chain) {
                handles.insert(chain.clone(), read_handles(&mut self.socket, chain)?);
            }
        }
        Ok(handles)
    }

    fn commit(&mut self, transaction: &Transaction, generation: u32) -> Result<Outcome, Error> {
        let handles = match self.handles(transaction) {
            Err(error) if is_transient(&error) || error.raw_os_error() == Some(libc::ENOENT) => {
                return Ok(Outcome::Unknown);
            }
            other => other.map_err(Error::Socket)?,
        };
        let sequence = self.socket.next_sequence(0);
        let batch = encode(transaction, &handles, generation, sequence);
        let messages = u32::try_from(batch.changes.len()).unwrap_or(u32::MAX).saturating_add(2);
        self.socket.next_sequence(messages);
        match self.socket.send(&batch.bytes) {
            Err(error) if is_transient(&error) => return Ok(Outcome::Unknown),
            other => other.map_err(Error::Socket)?,
        }
        let mut done = false;
        let mut rejection: Option<Rejection> = None;
        loop {
            match self.socket.receive() {
                Ok(None) => break,
                Ok(Some(datagram)) => {
                    for answer in super::wire::messages(&datagram).filter_map(|message| answer(&message)) {
                        match answer {
                            Answer::Done { sequence } => done |= sequence == batch.last(),
                            Answer::Rejected(first) => rejection = rejection.or(Some(first)),
                        }
                    }
                }
                Err(error) if is_transient(&error) => return Ok(Outcome::Unknown),
                Err(error) => return Err(Error::Socket(error)),
            }
        }
        Ok(match rejection {
            None if done => Outcome::Committed,
            None => Outcome::Unknown,
            Some(Rejection { error, .. })
                if is_transient(&error) || error.raw_os_error() == Some(libc::ERESTART) =>
            {
                Outcome::Unknown
            }
            Some(Rejection { sequence, error, text }) => {
                let index = batch.changes.iter().find(|(of, _)| *of == sequence).map(|(_, index)| *index);
                let change = index.and_then(|index| transaction.changes.get(index));
                let action = change.map_or_else(|| "commit the transaction".to_owned(), describe);
                Outcome::Refused(index, Error::Refused { action, source: error, text })
            }
        })
    }
}

/// No generation ever is zero.
const STALE: u32 = 0;

/// What is to be true afterwards.
enum Goal {
    Whole(Table),
    Part(Part),
}

impl Goal {
    /// The transaction, and whether it replaces the whole table.
    fn plan(&self, actual: &Actual, remedy: Remedy) -> (Transaction, bool) {
        match (self, actual) {
            (Goal::Part(part), _) => (diff(&part.before, &part.after), false),
            (Goal::Whole(desired), Actual::Table(actual)) if remedy != Remedy::Replace => {
                (diff(actual, desired), false)
            }
            (Goal::Whole(desired), _) => (replace(desired), true),
        }
    }
}

/// What the kernel holds after our transaction: what was desired, one generation later. Only what changed is copied.
fn successor(before: Snapshot, goal: &Goal) -> Snapshot {
    let generation = before.generation.checked_add(1).unwrap_or(1);
    let mut table = match before.actual {
        Actual::Table(table) => table,
        Actual::Absent | Actual::Unlike => Table::default(),
    };
    match goal {
        Goal::Part(part) => part.window.put(&part.after, &mut table),
        Goal::Whole(desired) => {
            follow(&mut table.sets, &desired.sets);
            follow(&mut table.chains, &desired.chains);
        }
    }
    Snapshot { generation, actual: Actual::Table(table) }
}

fn follow<T: Clone + PartialEq>(
    old: &mut std::collections::BTreeMap<String, T>,
    new: &std::collections::BTreeMap<String, T>,
) {
    old.retain(|name, value| new.get(name) == Some(&*value));
    for (name, value) in new {
        if !old.contains_key(name) {
            old.insert(name.clone(), value.clone());
        }
    }
}

/// For a message to people.
fn describe(change: &Change) -> String {
    match change {
        Change::AddTable => "add the table".to_owned(),
        Change::DeleteTable => "delete the table".to_owned(),
        Change::AddSet(name, _) => format!("add set {name}"),
        Change::DeleteSet(name) => format!("delete set {name}"),
        Change::AddElements(name, set) => format!("add {} elements to set {name}", set.elements.len()),
        Change::DeleteElements(name, set) => format!("delete {} elements of set {name}", set.elements.len()),
        Change::AddChain(name, _) => format!("add chain {name}"),
        Change::FlushChain(name) => format!("flush chain {name}"),
        Change::DeleteChain(name) => format!("delete chain {name}"),
        Change::DeleteRule(chain, at) => format!("delete rule {at} of chain {chain}"),
        Change::AddRule(chain, _, rule) => {
            format!("add rule «{}» to chain {chain}", super::render::rule_text(rule))
        }
    }
}
