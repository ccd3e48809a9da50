//! What the kernel holds of our table.
//!
//! A dump takes several requests. They are one picture only if the generation is the same before and after, so that is
//! checked, and the whole repeated until it is. Only our own table is asked for; the kernel cannot restrict a dump of
//! chains to a table, so those of other `inet` tables are skipped here.

use std::collections::BTreeMap;
use std::io;

use super::TABLE_NAME;
use super::decode::{self, Element, Ranges};
use super::encode::object_header;
use super::socket::{Answer, NetfilterSocket, Rejection, answer};
use super::table::{Chain, Elements, Set, Table};
use super::wire::{Attributes, Datagram, Message, code};

/// Dumps that a change by somebody else may spoil in a row.
const ATTEMPTS: usize = 10;

/// The table at one generation.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) generation: u32,
    pub(super) actual: Actual,
}

/// What there is under our table's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Actual {
    /// Nothing.
    Absent,
    /// Something that we would not write.
    Unlike,
    /// This.
    Table(Table),
}

/// The generation of the ruleset: it grows by one with each transaction of anyone in this network namespace.
pub(super) fn read_generation(socket: &mut NetfilterSocket) -> io::Result<u32> {
    let mut generation = None;
    ask(
        socket,
        code::NFT_MSG_GETGEN,
        code::NLM_F_ACK,
        |_| {},
        |message| {
            generation = message.attributes().number(code::NFTA_GEN_ID).or(generation);
        },
    )?;
    generation.ok_or_else(lost)
}

/// Our table, whole and consistent.
///
/// # Errors
/// `Interrupted` if it did not stand still for long enough.
pub(super) fn read(socket: &mut NetfilterSocket) -> io::Result<Snapshot> {
    for _ in 0..ATTEMPTS {
        let generation = read_generation(socket)?;
        let actual = read_table(socket);
        let unchanged = read_generation(socket)? == generation;
        match actual {
            Ok(actual) if unchanged => return Ok(Snapshot { generation, actual }),
            Err(error) if unchanged && !is_transient(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// Whether asking again may help: a dump overtaken by a change, or answers that did not fit.
pub(super) fn is_transient(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
        || matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOBUFS | libc::EAGAIN))
}

fn read_table(socket: &mut NetfilterSocket) -> io::Result<Actual> {
    let mut plain = false;
    let named = |attributes: &mut Attributes| attributes.text(code::NFTA_TABLE_NAME, TABLE_NAME);
    let found = ask(socket, code::NFT_MSG_GETTABLE, code::NLM_F_ACK, named, |message| {
        plain = decode::is_plain_table(message.attributes());
    });
    match found {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Actual::Absent),
        Err(error) => return Err(error),
        Ok(()) if !plain => return Ok(Actual::Unlike),
        Ok(()) => {}
    }
    let Some(mut chains) = read_chains(socket)? else {
        return Ok(Actual::Unlike);
    };
    if read_rules(socket, &mut chains)?.is_none() {
        return Ok(Actual::Unlike);
    }
    let Some(mut sets) = read_sets(socket)? else {
        return Ok(Actual::Unlike);
    };
    for (name, set) in &mut sets {
        if read_elements(socket, name, set)?.is_none() {
            return Ok(Actual::Unlike);
        }
    }
    Ok(Actual::Table(Table { sets, chains }))
}

fn read_chains(socket: &mut NetfilterSocket) -> io::Result<Option<BTreeMap<String, Chain>>> {
    let mut chains = Some(BTreeMap::new());
    dump(
        socket,
        code::NFT_MSG_GETCHAIN,
        |_| {},
        |message| {
            absorb(&mut chains, decode::chain(message.attributes()), |chains, (name, chain)| {
                chains.insert(name, chain);
                Some(())
            });
        },
    )?;
    Ok(chains)
}

fn read_rules(socket: &mut NetfilterSocket, chains: &mut BTreeMap<String, Chain>) -> io::Result<Option<()>> {
    let mut seen = Some(chains);
    let named = |attributes: &mut Attributes| attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
    dump(socket, code::NFT_MSG_GETRULE, named, |message| {
        absorb(&mut seen, decode::rule(message.attributes()), |chains, (chain, rule)| {
            chains.get_mut(&chain)?.rules.push(rule);
            Some(())
        });
    })?;
    Ok(seen.map(|_| ()))
}

/// The kernel's names for the rules of a chain, in order.
pub(super) fn read_handles(socket: &mut NetfilterSocket, chain: &str) -> io::Result<Vec<u64>> {
    let mut handles = Vec::new();
    let named = |attributes: &mut Attributes| {
        attributes.text(code::NFTA_RULE_TABLE, TABLE_NAME);
        attributes.text(code::NFTA_RULE_CHAIN, chain);
    };
    dump(socket, code::NFT_MSG_GETRULE, named, |message| {
        let of_chain = decode::rule_handle(message.attributes()).filter(|(of, _)| of == chain);
        handles.extend(of_chain.map(|(_, handle)| handle));
    })?;
    Ok(handles)
}

fn read_sets(socket: &mut NetfilterSocket) -> io::Result<Option<BTreeMap<String, Set>>> {
    let mut sets = Some(BTreeMap::new());
    let named = |attributes: &mut Attributes| attributes.text(code::NFTA_SET_TABLE, TABLE_NAME);
    dump(socket, code::NFT_MSG_GETSET, named, |message| {
        absorb(&mut sets, decode::set(message.attributes()), |sets, (name, set)| {
            sets.insert(name, set);
            Some(())
        });
    })?;
    Ok(sets)
}

fn read_elements(socket: &mut NetfilterSocket, name: &str, set: &mut Set) -> io::Result<Option<()>> {
    let kind = set.emptied();
    let mut found = Some((set, Ranges::default()));
    let named = |attributes: &mut Attributes| {
        attributes.text(code::NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
        attributes.text(code::NFTA_SET_ELEM_LIST_SET, name);
    };
    dump(socket, code::NFT_MSG_GETSETELEM, named, |message| {
        absorb(&mut found, decode::elements(message.attributes(), &kind), |(set, ranges), elements| {
            for element in elements {
                place(set, ranges, element)?;
            }
            Some(())
        });
    })?;
    Ok(found.map(|(set, ranges)| {
        if let Elements::Ranges(all) = &mut set.elements {
            *all = ranges.finish();
        }
    }))
}

fn place(set: &mut Set, ranges: &mut Ranges, element: Element) -> Option<()> {
    match (element, &mut set.elements) {
        (Element::Key(key, None), Elements::Keys(keys)) => {
            keys.insert(key);
        }
        (Element::Key(key, Some(verdict)), Elements::Verdicts(verdicts)) => {
            verdicts.insert(key, verdict);
        }
        (Element::Start(address), Elements::Ranges(_)) => ranges.start(address),
        (Element::End(address), Elements::Ranges(_)) => ranges.end(address),
        (Element::Key(..) | Element::Start(_) | Element::End(_), _) => return None,
    }
    Some(())
}

/// Adds a decoded part; the first part that could not be decoded makes the whole `None`.
fn absorb<T, P>(whole: &mut Option<T>, part: Option<P>, add: impl FnOnce(&mut T, P) -> Option<()>) {
    let added = whole.as_mut().zip(part).and_then(|(whole, part)| add(whole, part));
    if added.is_none() {
        *whole = None;
    }
}

/// Every object of our table that a dump lists.
fn dump(
    socket: &mut NetfilterSocket,
    kind: u16,
    attributes: impl FnOnce(&mut Attributes),
    mut each: impl FnMut(&Message<'_>),
) -> io::Result<()> {
    ask(socket, kind, code::NLM_F_DUMP, attributes, |message| {
        let ours = message.family() == Some(code::NFPROTO_INET)
            && message.attributes().text(code::NFTA_TABLE_OF_ANY) == Some(TABLE_NAME);
        if ours {
            each(message);
        }
    })
}

fn ask(
    socket: &mut NetfilterSocket,
    kind: u16,
    flags: u16,
    attributes: impl FnOnce(&mut Attributes),
    mut each: impl FnMut(&Message<'_>),
) -> io::Result<()> {
    let sequence = socket.next_sequence(1);
    let mut request = Datagram::default();
    request.message(object_header(kind, flags, sequence), attributes);
    socket.send(&request.into_bytes())?;
    let mut overtaken = false;
    while let Some(datagram) = socket.receive()? {
        for message in super::wire::messages(&datagram).filter(|message| message.sequence == sequence) {
            overtaken |= message.flags & code::NLM_F_DUMP_INTR != 0 && flags & code::NLM_F_DUMP != 0;
            match answer(&message) {
                None => each(&message),
                Some(Answer::Rejected(Rejection { error, .. })) => return Err(error),
                Some(Answer::Done { .. }) if overtaken => return Err(io::ErrorKind::Interrupted.into()),
                Some(Answer::Done { .. }) => return Ok(()),
            }
        }
    }
    Err(lost())
}

/// The queue was empty before the answer was complete.
fn lost() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOBUFS)
}
