//! Answers as tables, whatever their fields are.

use comfy_table::{Table, presets};
use serde_json::Value;

use ldk_server_grpc::terminal::escape_line;

/// A list whose items have at most so many fields is one table with a row for each item; with more
/// it would be too wide to read, and each item becomes a table of its own.
const MAX_COLUMNS: usize = 6;

type Row = (String, String);

/// Fields as rows of name and value; each list of objects on its own below them, under its name.
pub(crate) fn render(answer: &Value) -> String {
    let Value::Object(fields) = answer else { return cell(answer) };
    let (lists, plain): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(_, value)| is_list_of_objects(value));
    let mut parts = Vec::new();
    let mut rows = Vec::new();
    for (name, value) in plain {
        flatten(name, value, &mut rows);
    }
    if !rows.is_empty() {
        parts.push(field_table(&rows));
    }
    for (name, list) in lists {
        parts.push(format!("{name}:"));
        parts.extend(list_tables(list));
    }
    if parts.is_empty() { "ok".to_owned() } else { parts.join("\n") }
}

fn list_tables(list: &Value) -> Vec<String> {
    let items: Vec<Vec<Row>> = list.as_array().into_iter().flatten().map(item_rows).collect();
    match items.as_slice() {
        [first, others @ ..]
            if first.len() <= MAX_COLUMNS && others.iter().all(|item| same_names(first, item)) =>
        {
            vec![item_table(&items)]
        },
        items => items.iter().map(|item| field_table(item)).collect(),
    }
}

fn item_rows(item: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    flatten("", item, &mut rows);
    rows
}

fn same_names(one: &[Row], other: &[Row]) -> bool {
    one.iter().map(|(name, _)| name).eq(other.iter().map(|(name, _)| name))
}

fn field_table(rows: &[Row]) -> String {
    let mut table = new_table();
    for (name, value) in rows {
        table.add_row([name, value]);
    }
    table.to_string()
}

fn item_table(items: &[Vec<Row>]) -> String {
    let mut table = new_table();
    table.set_header(items.iter().take(1).flatten().map(|(name, _)| name));
    for item in items {
        table.add_row(item.iter().map(|(_, value)| value));
    }
    table.to_string()
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table
}

/// The fields of nested objects get dotted names.
fn flatten(name: &str, value: &Value, rows: &mut Vec<Row>) {
    let nested: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(field, value)| (field.clone(), value)).collect()
        },
        Value::Array(items) if is_list_of_objects(value) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        },
        _ => Vec::new(),
    };
    if nested.is_empty() {
        rows.push((name.to_owned(), cell(value)));
    }
    for (field, value) in nested {
        let path = if name.is_empty() { field } else { format!("{name}.{field}") };
        flatten(&path, value, rows);
    }
}

fn is_list_of_objects(value: &Value) -> bool {
    value.as_array().and_then(|items| items.first()).is_some_and(Value::is_object)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => escape_line(text).into_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("\n"),
        Value::Object(_) => "none".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_rows_and_nested_ones_have_dotted_names() {
        let answer = json!({"id": "ab", "alias": null, "block": {"height": 7}, "uris": ["x", "y"]});
        let expected = "\
┌──────────────┬────┐
│ id           ┆ ab │
│ alias        ┆ -  │
│ block.height ┆ 7  │
│ uris         ┆ x  │
│              ┆ y  │
└──────────────┴────┘";
        assert_eq!(render(&answer), expected);
    }

    #[test]
    fn a_list_of_small_items_is_one_table() {
        let answer =
            json!({"peers": [{"node_id": "02", "up": true}, {"node_id": "03", "up": false}]});
        let expected = "\
peers:
┌─────────┬───────┐
│ node_id ┆ up    │
╞═════════╪═══════╡
│ 02      ┆ true  │
│ 03      ┆ false │
└─────────┴───────┘";
        assert_eq!(render(&answer), expected);
    }

    #[test]
    fn items_of_different_shape_have_a_table_each() {
        let answer =
            json!({"total": 3, "balances": [{"closed": {"sat": 1}}, {"open": {"sat": 2}}]});
        let expected = "\
┌───────┬───┐
│ total ┆ 3 │
└───────┴───┘
balances:
┌────────────┬───┐
│ closed.sat ┆ 1 │
└────────────┴───┘
┌──────────┬───┐
│ open.sat ┆ 2 │
└──────────┴───┘";
        assert_eq!(render(&answer), expected);
    }

    #[test]
    fn nothing_to_show_is_said() {
        assert_eq!(render(&json!({})), "ok");
        assert!(render(&json!({"channels": []})).contains("none"));
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped_before_the_width_is_taken() {
        let expected = "\
┌───────┬──────────────┐
│ alias ┆ \\u202e\\u001b │
└───────┴──────────────┘";
        assert_eq!(render(&json!({"alias": "\u{202e}\u{1b}"})), expected);
    }
}
