//! Why PostgreSQL does not do what it is asked for.

use std::error::Error as _;
use std::fmt;

use ldk_node::lightning::io;
use tokio_postgres::error::SqlState;

const ADVICE_ON_CERTIFICATES: &str = "; storage.postgres.ca_cert_path must name the authority that has signed its certificate, and \
     storage.postgres.url a host that is in it";

/// Why PostgreSQL does not do what it is asked for.
#[derive(thiserror::Error)]
pub(super) enum PostgresError {
    /// There is no connection, or none any more.
    #[error("PostgreSQL cannot be reached: {0}")]
    Connection(String),
    /// It takes too long.
    #[error("PostgreSQL has not answered in time")]
    Timeout,
    /// It cannot do it now, and may later.
    #[error("PostgreSQL is not ready: {0}")]
    NotReady(String),
    /// It refuses, and has changed nothing.
    #[error("PostgreSQL refuses: {0}")]
    Refused(String),
    /// Somebody else has the lease, or had it meanwhile.
    #[error("this node does not hold the lease in PostgreSQL any more: {0}")]
    NotHolder(String),
    /// The state there is not what it must be. The text says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// As for people: the library's error, which it becomes, shows what it was made of like this.
impl fmt::Debug for PostgresError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl PostgresError {
    /// Whether it may be over after a while, and the outcome of what was asked for is unknown until then.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Timeout | Self::NotReady(_))
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    /// What the server says of the values of rows is left out.
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(of_server) = error.as_db_error() else {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            let advice = if is_of_certificate(&error) { ADVICE_ON_CERTIFICATES } else { "" };
            return Self::Connection(format!("{error}{cause}{advice}"));
        };
        let code = of_server.code();
        let text = format!("{} (SQLSTATE {})", of_server.message(), code.code());
        // Connections, rollbacks, resources, operators and the disk.
        let is_passing =
            ["08", "40", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
                || [
                    SqlState::READ_ONLY_SQL_TRANSACTION,
                    SqlState::LOCK_NOT_AVAILABLE,
                    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                ]
                .contains(code);
        if *code == SqlState::DIVISION_BY_ZERO {
            Self::NotHolder("it was taken over".to_owned())
        } else if is_passing {
            Self::NotReady(text)
        } else {
            Self::Refused(text)
        }
    }
}

/// Whether the certificate of the server is the reason.
fn is_of_certificate(error: &tokio_postgres::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let cause = cause.and_then(|cause| cause.get_ref()?.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

impl From<rusqlite::Error> for PostgresError {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(crate::store::sqlite::sql_error(error))
    }
}

impl From<PostgresError> for io::Error {
    fn from(error: PostgresError) -> Self {
        match error {
            PostgresError::File(error) => error,
            other => Self::new(io::ErrorKind::Other, other),
        }
    }
}
