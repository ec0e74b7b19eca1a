//! What commands print: JSON as it came, or tables for people.

use std::io::{self, Write as _};

use anyhow::Result;
use serde_json::Value;

/// Prints, and takes a closed pipe (`| head`) for the end of interest.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

pub fn print_json(value: &Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// Columns as wide as their widest cell, two spaces apart.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let text = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A JSON value as a cell: text without quotes, nothing for `null`, lists joined.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    }
}

/// One cell per field, in order.
pub fn cells(value: &Value, fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| cell(&value[*field])).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up() {
        let row = cells(&json!({"id": "env-ä", "services": ["a", "b"], "none": null}), &["id", "none", "services"]);
        let text = table(&["ID", "X", "SERVICES"], &[row]);
        assert_eq!(text, "ID     X  SERVICES\nenv-ä     a b\n");
    }
}
