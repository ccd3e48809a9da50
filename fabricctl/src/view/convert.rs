//! `convert`: manifests. For people a YAML document each; for programs a `v1` List. Both can be applied.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{View, encode_yaml};

/// Objects to be applied.
pub(crate) struct Converted {
    objects: Vec<Value>,
    text: String,
}

impl Converted {
    /// These.
    pub(crate) fn new(objects: Vec<Value>) -> Result<Self, Failure> {
        let documents: Vec<String> = objects.iter().map(encode_yaml).collect::<Result<_, _>>()?;
        Ok(Self { objects, text: documents.join("---\n") })
    }
}

impl Serialize for Converted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({ "apiVersion": "v1", "kind": "List", "items": self.objects }).serialize(serializer)
    }
}

impl View for Converted {
    fn render(&self) -> String {
        self.text.clone()
    }

    fn remark_if_empty(&self) -> &'static str {
        "There is nothing to convert."
    }
}
