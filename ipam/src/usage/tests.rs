use super::*;
use crate::{Attributes, Timestamp};

#[test]
fn counts_only_the_pools_own_blocks() {
    let pool: Pool = serde_json::from_str(r#"{"cidr":"10.0.0.0/24"}"#).unwrap();
    let wide: Pool = serde_json::from_str(r#"{"cidr":"4000::/2"}"#).unwrap();
    let (now, rest) = (Timestamp(0), std::time::Duration::ZERO);
    let own = Block::new("10.0.0.64/26".parse().unwrap(), "n", now).unwrap();
    let own = own.taking("10.0.0.65".parse().unwrap(), "h", &Attributes::default(), now, rest).unwrap();
    let other = Block::new("10.0.1.0/26".parse().unwrap(), "n", now).unwrap();
    let blocks = [own, other];
    assert_eq!(
        pool_usage(&pool, &blocks),
        Usage { addresses_total: 256, addresses_used: 1, blocks_total: 4, blocks_used: 1 }
    );
    assert_eq!(
        pool_usage(&wide, &blocks),
        Usage { addresses_total: 1 << 126, addresses_used: 0, blocks_total: 1 << 120, blocks_used: 0 }
    );
}
