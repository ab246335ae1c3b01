//! The clients that people have, unchanged, at the three doors of Core Lightning: what each can do on this
//! node is played, and is the table in docs/clients.md.
//!
//! With CLIENTS_WRITE set, the table is written into the document instead.

mod cln_rpc;
mod commands;
mod doors;
mod driver;
mod every_method;
mod roster;
mod stories;
mod table;

use anyhow::Result;

use self::doors::Doors;

#[tokio::test(flavor = "multi_thread")]
async fn clients_do_what_the_table_says() -> Result<()> {
    let doors = Doors::open().await?;
    let clients = roster::all(&doors).await?;
    let rows = stories::play(&doors, clients).await?;
    table::ensure_passed(&rows)?;
    every_method::is_read_by_strict_types(&doors).await?;
    let commands = commands::run(&doors).await?;
    table::keep(&rows, &commands)?;
    doors.network.stop().await
}
