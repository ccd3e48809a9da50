//! `convert`.

use serde_json::Value;

use super::resources::read_manifests;
use crate::cli::ConvertArgs;
use crate::convert::{Loss, convert};
use crate::failure::Failure;
use crate::output::Output;
use crate::view::convert::Converted;

/// Converts all files, or none if one of them cannot be read.
pub(crate) fn run(args: &ConvertArgs, output: &Output) -> Result<(), Failure> {
    let mut files = Vec::new();
    let mut problems = String::new();
    for manifest in read_manifests(&args.files)? {
        match serde_saphyr::from_multiple::<Value>(&manifest.text) {
            Ok(documents) => files.push((manifest.file_name, documents)),
            Err(error) => problems += &format!("{}: is not YAML: {error}\n", manifest.file_name),
        }
    }
    if !problems.is_empty() {
        return Err(Failure::InvalidManifest(problems));
    }
    let (mut objects, mut is_whole) = (Vec::new(), true);
    for (file, documents) in files {
        let conversion = convert(documents);
        is_whole &= conversion.losses.is_empty();
        for Loss { object, field, what } in conversion.losses {
            let field = if field.is_empty() { field } else { format!("{field}: ") };
            output.remark(&format!("{file}: {object}: {field}{what}"));
        }
        objects.extend(conversion.objects);
    }
    output.print(&Converted::new(objects)?)?;
    if is_whole || !args.strict { Ok(()) } else { Err(Failure::Problems) }
}
