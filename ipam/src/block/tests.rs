use super::*;

fn block(cidr: &str) -> Block {
    Block::new(cidr.parse().unwrap(), "n1").unwrap()
}

fn by(handle: &str) -> Allocation {
    Allocation {
        handle: handle.into(),
        attributes: Attributes { node: "n1".into(), ..Attributes::default() },
    }
}

#[test]
fn every_ordinal_is_usable_and_the_first_freed_is_the_last_reused() {
    let mut block = block("10.0.0.64/30");
    for expected in ["10.0.0.64", "10.0.0.65", "10.0.0.66", "10.0.0.67"] {
        let address = block.next_free().unwrap();
        assert_eq!(address.to_string(), expected);
        block = block.taking(address, by(expected)).unwrap();
    }
    assert!(!block.has_room());
    let (next, released) = block.releasing("10.0.0.66");
    assert_eq!(released, ["10.0.0.66".parse::<IpAddr>().unwrap()]);
    let (next, _) = next.releasing("10.0.0.64");
    assert_eq!(next.next_free().unwrap().to_string(), "10.0.0.66");
    assert_eq!(next.sequence(), 6);
    assert_eq!(next.taking("10.0.0.67".parse().unwrap(), by("other")), None);
    assert_eq!(next.taking("10.0.0.68".parse().unwrap(), by("other")), None);
}

#[test]
fn ipv6_blocks_keep_their_high_bits() {
    let block = block("fd00::40/122");
    let block = block.taking("fd00::7f".parse().unwrap(), by("h")).unwrap();
    assert_eq!(block.held_by("h").map(|a| a.to_string()).collect::<Vec<_>>(), ["fd00::7f"]);
    assert_eq!(block.size(), 64);
}

#[test]
fn records_survive_json_and_lies_are_caught() {
    let block = block("10.0.0.0/30").taking("10.0.0.2".parse().unwrap(), by("h")).unwrap();
    let json = serde_json::to_string(&block).unwrap();
    assert_eq!(serde_json::from_str::<Block>(&json).unwrap(), block);
    assert!(json.contains(r#""unallocated":"0-1,3""#), "{json}");
    for (from, to, complaint) in [
        ("0-1,3", "0-3", "but 2 is not"),
        ("0-1,3", "0-1", "but 3 is not"),
        ("0-1,3", "0-1,3,9", "but 9 is not"),
        ("10.0.0.0/30", "10.0.0.1/30", "must be masked"),
        ("10.0.0.0/30", "10.0.0.0/8", "at most 4096"),
    ] {
        let error = serde_json::from_str::<Block>(&json.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}
