//! Columns for people, in the manner of kubectl: no borders, headers in capitals, `-` for nothing.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

/// Between columns.
const GAP: u16 = 3;

/// Renders rows under headers. Without rows there is nothing, not even headers.
pub(crate) fn render<const N: usize>(
    headers: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    render_rows(headers.as_slice(), rows.into_iter().map(Vec::from))
}

/// The same where the number of columns is not known at compile time.
pub(crate) fn render_rows(headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(headers.iter().copied());
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(clean)));
    if table.is_empty() {
        return String::new();
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt() + "\n"
}

/// Renders `Key:  value` lines.
pub(crate) fn render_fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    let line = |(key, value): &(&str, String)| {
        format!("{:width$}   {}\n", format!("{key}:"), clean(value.clone()), width = width + 1)
    };
    fields.iter().map(line).collect()
}

/// A list in one cell.
pub(crate) fn join(items: &[String]) -> String {
    items.join(",")
}

/// Yes or no.
pub(crate) fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// Names and descriptions come from elsewhere: what would move the cursor or break the line is written out.
pub(crate) fn clean(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else if text.contains(char::is_control) {
        text.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect()
    } else {
        text
    }
}
