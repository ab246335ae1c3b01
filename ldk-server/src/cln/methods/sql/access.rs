//! What a statement may do: read tables that are there, with functions that do no harm.

use rusqlite::hooks::{AuthAction, Authorization};

use super::schema::{Table, find};

/// The functions that Core Lightning allows.
const FUNCTIONS: [&str; 23] = [
    "abs",
    "avg",
    "coalesce",
    "count",
    "date",
    "datetime",
    "hex",
    "json_group_array",
    "json_object",
    "julianday",
    "length",
    "like",
    "lower",
    "max",
    "min",
    "quote",
    "strftime",
    "sum",
    "time",
    "timediff",
    "total",
    "unixepoch",
    "upper",
];

/// What a statement was seen to do.
#[derive(Default)]
pub(super) struct Access {
    /// The tables that it reads.
    pub(super) tables: Vec<&'static Table>,
    /// What it may not do.
    pub(super) refused: Option<String>,
}

impl Access {
    /// Judges one thing that a statement does.
    pub(super) fn judge(&mut self, action: AuthAction<'_>) -> Authorization {
        let refused = match action {
            AuthAction::Select => return Authorization::Allow,
            AuthAction::Function { function_name } if FUNCTIONS.contains(&function_name) => {
                return Authorization::Allow;
            },
            AuthAction::Read { table_name, .. } => match find(table_name) {
                Some(table) => {
                    if !self.tables.iter().any(|known| known.name == table.name) {
                        self.tables.push(table);
                    }
                    return Authorization::Allow;
                },
                None => format!("Unknown table {table_name}"),
            },
            action => format!("Unauthorized: {action:?}"),
        };
        self.refused.get_or_insert(refused);
        Authorization::Deny
    }
}
