//! What a reader of the documentation would copy is right.

use super::super::{Config, Overrides};

const README: &str = include_str!("../../../../README.md");
const BGP: &str = include_str!("../../../../docs/bgp.md");

/// The YAML blocks of a text.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block)
}

#[track_caller]
fn is_right(text: &str) {
    let reading = Config::parse("agent.yaml", text, &Overrides::default()).expect(text);
    assert_eq!(reading.warnings, [] as [&str; 0], "{text}");
}

#[test]
fn the_node_of_the_readme_is_read_without_a_warning() {
    let (_, section) = README.split_once("\n## A node\n").expect("the section");
    let nodes: Vec<&str> = blocks(section).filter(|block| block.starts_with("node:")).collect();
    assert_eq!(nodes.len(), 1);
    is_right(nodes[0]);
}

/// They are parts of `bgp`.
#[test]
fn the_blocks_about_bgp_are_read_without_a_warning() {
    let blocks: Vec<String> = blocks(BGP).map(|block| block.replace('\n', "\n  ")).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        is_right(&format!(
            "node: {{ name: n, addresses: [10.0.0.1] }}\ndatastore: {{ sqlite: {{ path: /d }} }}\nbgp:\n  localAS: 65001\n  {block}"
        ));
    }
}
