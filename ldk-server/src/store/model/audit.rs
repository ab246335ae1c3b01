//! The audit: the calls that changed something, or were refused.

/// A call that is about to be made, or was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAuditEntry {
    /// When, in Unix seconds.
    pub created_at: u64,
    /// Who made it.
    pub caller: String,
    /// Its name in the proto file.
    pub method: String,
    /// The id of the request; empty if it has none.
    pub request_id: String,
    /// The amount that it names, in millisatoshis.
    pub amount_msat: Option<u64>,
    /// The amount that it names, in satoshis.
    pub amount_sats: Option<u64>,
    /// How many such calls of the caller before it have no entry.
    pub not_recorded: u64,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditResult {
    /// It is under way.
    UnderWay,
    /// Nobody knows: the server was stopped amid it, or the caller has given up.
    Unknown,
    /// It was answered with the gRPC status of this number.
    Answered(i32),
}

/// Where an entry stands in the list, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditPlace {
    /// When the call was made.
    pub created_at: u64,
    /// The number of the entry: a later one has a higher one.
    pub number: u64,
}

/// A call in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The number of the entry.
    pub number: u64,
    /// The call.
    pub call: NewAuditEntry,
    /// What came of it.
    pub result: AuditResult,
}

impl AuditEntry {
    /// Where it stands.
    pub fn place(&self) -> AuditPlace {
        AuditPlace { created_at: self.call.created_at, number: self.number }
    }
}

/// Which entries to list; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The name of the call.
    pub method: Option<String>,
    /// Who made it.
    pub caller: Option<String>,
    /// What came of it.
    pub result: Option<AuditResult>,
    /// The earliest time, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time is before this, in Unix seconds.
    pub created_before: Option<u64>,
}

/// A change of the audit.
pub(in crate::store) enum AuditChange {
    /// A call begins, or was refused.
    Add(Box<AuditEntry>),
    /// A call has ended.
    End {
        /// The number of its entry.
        number: u64,
        result: AuditResult,
        /// The amount that it turned out to be about.
        amount_msat: Option<u64>,
    },
    /// A call was refused, and is only counted.
    Drop {
        /// The number of its entry.
        number: u64,
    },
    /// Removes the oldest entries that were recorded before this, in Unix seconds, some at a time.
    RemoveOld { recorded_before: u64 },
    /// Nothing: whoever waits for it knows that all before it are on disk.
    Nothing,
}
