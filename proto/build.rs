//! Compiles the contract with a protobuf compiler written in Rust, so that no `protoc` is needed.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 6] = [
    "fabric/v1/bgp.proto",
    "fabric/v1/cni.proto",
    "fabric/v1/ipam.proto",
    "fabric/v1/node.proto",
    "fabric/v1/policy.proto",
    "fabric/v1/resources.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Served by gRPC reflection.
    std::fs::write(out.join("fabric.v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
