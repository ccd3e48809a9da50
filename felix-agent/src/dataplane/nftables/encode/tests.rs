//! Bytes: a message by hand, and what the decoder reads of everything that is written.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::super::decode::{self, Element, Ranges};
use super::super::diff::tests::tables;
use super::super::diff::{Change, Transaction, diff};
use super::super::table::{Datatype, Elements, Set, Table, Value, Verdict};
use super::super::wire::{code, messages};
use super::{Batch, Handles, encode};

fn encoded(changes: Vec<Change>) -> Batch {
    encode(&Transaction { changes }, &Handles::new(), 7, 100)
}

/// Written down from `linux/netlink.h`, `nfnetlink.h`, `nf_tables.h`.
#[test]
fn a_batch_of_one_is_these_bytes() {
    let batch = encoded(vec![Change::DeleteSet("s1".to_owned())]);
    let little_endian_host = cfg!(target_endian = "little");
    assert!(little_endian_host, "the bytes below are those of a little endian host");
    #[rustfmt::skip]
    let expected: Vec<u8> = vec![
        // BATCH_BEGIN, REQUEST, sequence 100; unspecified family, version 0, subsystem 10; generation 7
        28, 0, 0, 0, 16, 0, 1, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10,
        8, 0, 1, 0, 0, 0, 0, 7,
        // DELSET of subsystem 10, REQUEST | ACK; family inet; table, name
        40, 0, 0, 0, 11, 10, 5, 0, 101, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        11, 0, 1, 0, b'f', b'a', b'b', b'r', b'i', b'c', 0, 0,
        7, 0, 2, 0, b's', b'1', 0, 0,
        // BATCH_END
        20, 0, 0, 0, 17, 0, 1, 0, 102, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10,
    ];
    assert_eq!(batch, Batch { bytes: expected, begin: 100, changes: vec![(101, 0)] });
}

#[test]
fn only_the_last_change_asks_for_an_answer() {
    let sets = ["a", "b", "c"].map(|name| Change::DeleteSet(name.to_owned()));
    let batch = encoded(sets.to_vec());
    let asking: Vec<u32> = messages(&batch.bytes)
        .filter(|message| message.flags & code::NLM_F_ACK != 0)
        .map(|message| message.sequence)
        .collect();
    assert_eq!(asking, [batch.last()]);
    assert_eq!(batch.last(), 103);
}

/// Reads a batch of additions as the kernel would list them.
fn decoded(batch: &Batch) -> Option<Table> {
    let mut table = Table::default();
    let mut ranges: BTreeMap<String, Ranges> = BTreeMap::new();
    for message in messages(&batch.bytes) {
        let attributes = message.attributes();
        match message.kind {
            code::NFT_MSG_NEWSET => table.sets.extend([decode::set(attributes)?]),
            code::NFT_MSG_NEWCHAIN => table.chains.extend([decode::chain(attributes)?]),
            code::NFT_MSG_NEWRULE => {
                let (chain, rule) = decode::rule(attributes)?;
                table.chains.get_mut(&chain)?.rules.push(rule);
            }
            code::NFT_MSG_NEWSETELEM => {
                let name = attributes.text(code::NFTA_SET_ELEM_LIST_SET)?;
                let set = table.sets.get_mut(name)?;
                for element in decode::elements(attributes, set)? {
                    let of_set = ranges.entry(name.to_owned()).or_default();
                    match (element, &mut set.elements) {
                        (Element::Key(key, None), Elements::Keys(keys)) => assert!(keys.insert(key)),
                        (Element::Key(key, Some(verdict)), Elements::Verdicts(verdicts)) => {
                            assert_eq!(verdicts.insert(key, verdict), None);
                        }
                        (Element::Start(address), _) => of_set.start(address),
                        (Element::End(address), _) => of_set.end(address),
                        (Element::Key(..), _) => return None,
                    }
                }
            }
            _ => {}
        }
    }
    for (name, collected) in ranges {
        if let Elements::Ranges(all) = &mut table.sets.get_mut(&name)?.elements {
            *all = collected.finish();
        }
    }
    Some(table)
}

#[test]
fn a_whole_table_survives_the_wire() {
    proptest!(|(table in tables::table())| {
        let batch = encode(&diff(&Table::default(), &table), &Handles::new(), 1, 1);
        prop_assert_eq!(decoded(&batch), Some(table));
    });
}

#[test]
fn long_element_lists_are_cut_below_the_limit_of_an_attribute() {
    let keys = (0..10_000).map(|n| vec![Value::Address(IpAddr::V4(Ipv4Addr::from_bits(n)))]).collect();
    let verdicts = (0..1_000)
        .map(|n| (vec![Value::Interface(format!("fab{n}"))], Verdict::Goto(format!("{n:0>200}"))))
        .collect();
    let sets = BTreeMap::from([
        ("many".to_owned(), Set { key: vec![Datatype::Ipv4Address], elements: Elements::Keys(keys) }),
        ("long".to_owned(), Set { key: vec![Datatype::Interface], elements: Elements::Verdicts(verdicts) }),
    ]);
    let table = Table { sets, ..Table::default() };
    let transaction = diff(&Table::default(), &table);
    let batch = encode(&transaction, &Handles::new(), 1, 1);
    assert_eq!(decoded(&batch), Some(table));
    let lists = messages(&batch.bytes).filter(|message| message.kind == code::NFT_MSG_NEWSETELEM).count();
    assert!(lists > transaction.changes.len(), "{lists} lists");
    let indices: BTreeSet<usize> = batch.changes.iter().map(|(_, index)| *index).collect();
    assert_eq!(indices, (0..transaction.changes.len()).collect());
}

#[test]
fn no_bytes_from_the_kernel_panic() {
    proptest!(|(table in tables::table(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>())| {
        let mut batch = encode(&diff(&Table::default(), &table), &Handles::new(), 1, 1);
        let place = at.index(batch.bytes.len());
        batch.bytes[place] = byte;
        batch.bytes.truncate(cut.index(batch.bytes.len() + 1));
        for message in messages(&batch.bytes) {
            let attributes = message.attributes();
            let _ = (decode::set(attributes), decode::chain(attributes), decode::rule(attributes));
            for set in table.sets.values() {
                let _ = decode::elements(attributes, set);
            }
        }
    });
}
