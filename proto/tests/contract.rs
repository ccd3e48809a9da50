//! The descriptor set that reflection serves: it decodes, is complete, and explains itself.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

fn decode() -> Result<Vec<FileDescriptorProto>, prost::DecodeError> {
    FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).map(|set| set.file)
}

#[test]
fn every_service_is_described() {
    let files = decode().expect("a descriptor set");
    let services: BTreeSet<String> = files
        .iter()
        .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())))
        .collect();
    let expected = [
        proto::v1::bgp_server::SERVICE_NAME,
        proto::v1::cni_server::SERVICE_NAME,
        proto::v1::ipam_server::SERVICE_NAME,
        proto::v1::node_server::SERVICE_NAME,
        proto::v1::policy_server::SERVICE_NAME,
        proto::v1::resources_server::SERVICE_NAME,
    ];
    assert_eq!(services, expected.map(str::to_owned).into());
}

#[test]
fn every_type_of_a_method_is_in_the_set() {
    let files = decode().expect("a descriptor set");
    let known: BTreeSet<String> = files
        .iter()
        .flat_map(|file| {
            file.message_type.iter().map(|message| format!(".{}.{}", file.package(), message.name()))
        })
        .collect();
    let methods = files.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
    for method in methods {
        for name in [method.input_type(), method.output_type()] {
            assert!(known.contains(name), "{}: {name}", method.name());
        }
    }
}

/// Services, methods, enums with their values, and messages have a comment. Requests and responses may do without:
/// their method has one.
#[test]
fn everything_is_documented() {
    for file in decode().expect("a descriptor set") {
        let comments = comments(&file);
        for (path, name) in to_document(&file) {
            assert!(comments.contains(&path), "{}: {name} has no comment", file.name());
        }
    }
}

/// Paths (descriptor.proto, `SourceCodeInfo.Location.path`) of what has a comment before it.
fn comments(file: &FileDescriptorProto) -> BTreeSet<Vec<i32>> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let commented = locations.filter(|location| !location.leading_comments().trim().is_empty());
    commented.map(|location| location.path.clone()).collect()
}

/// Paths and names of what needs one.
fn to_document(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    // Field numbers of FileDescriptorProto, ServiceDescriptorProto and EnumDescriptorProto.
    const MESSAGE: i32 = 4;
    const ENUM: i32 = 5;
    const SERVICE: i32 = 6;
    const METHOD: i32 = 2;
    const VALUE: i32 = 2;
    let mut all = Vec::new();
    for (m, message) in (0..).zip(&file.message_type) {
        if !message.name().ends_with("Request") && !message.name().ends_with("Response") {
            all.push((vec![MESSAGE, m], message.name().to_owned()));
        }
    }
    for (e, enumeration) in (0..).zip(&file.enum_type) {
        all.push((vec![ENUM, e], enumeration.name().to_owned()));
        for (v, value) in (0..).zip(&enumeration.value) {
            all.push((vec![ENUM, e, VALUE, v], value.name().to_owned()));
        }
    }
    for (s, service) in (0..).zip(&file.service) {
        all.push((vec![SERVICE, s], service.name().to_owned()));
        for (m, method) in (0..).zip(&service.method) {
            all.push((vec![SERVICE, s, METHOD, m], method.name().to_owned()));
        }
    }
    all
}
