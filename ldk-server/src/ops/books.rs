//! The books.

use std::sync::Arc;

use ldk_server_grpc::types::BooksEntry;

use crate::app::App;
use crate::books::summary as sums;
use crate::books::{Chain, ChannelOnChain, ChannelRecord, ChannelTurnover, Pages, Span, Summary};
use crate::bulkhead::Place;
use crate::error::Error;
use crate::store::Page;

/// Entries that are read a page at a time, each on a blocking thread.
pub struct Export {
    app: Arc<App>,
    pages: Pages,
    _place: Place,
}

/// Begins to read the entries of a span of time.
pub async fn export(app: &Arc<App>, span: Span) -> Result<Export, Error> {
    let place = app.books.reading.try_enter()?;
    let working = Arc::clone(app);
    let begin = move || Ok::<_, Error>(Pages::new(&working.books, chain(&working)?, span));
    let pages = app.executor.run("export_payments", begin).await?;
    Ok(Export { app: Arc::clone(app), pages, _place: place })
}

impl Export {
    /// The next entries; none after the last.
    pub async fn next_page(mut self) -> Result<(Vec<BooksEntry>, Self), Error> {
        let app = Arc::clone(&self.app);
        let read = move || {
            let page = self.pages.next_page().map_err(Error::internal)?;
            Ok::<_, Error>((page, self))
        };
        app.executor.run("export_payments", read).await
    }
}

/// Adds up the entries of a span of time.
pub fn summary(app: &App, span: Span) -> Result<Summary, Error> {
    let _place = app.books.reading.try_enter()?;
    sums(&app.books, chain(app)?, span).map_err(Error::internal)
}

/// A channel and what it has cost and earned.
pub struct ChannelBook {
    /// Its id.
    pub id: String,
    /// What was written down of it.
    pub record: ChannelRecord,
    /// What it has cost on chain.
    pub on_chain: ChannelOnChain,
    /// What it had to do with forwards.
    pub turnover: ChannelTurnover,
    /// What we have in it, in millisatoshis, if it is open.
    pub balance_msat: Option<u64>,
}

/// Where a channel stands in the list, the newest first.
pub type ChannelPlace = (u64, String);

/// The channels after this place, with their forwards of a span of time.
pub fn channels(
    app: &App,
    span: Span,
    closed_only: bool,
    after: Option<ChannelPlace>,
    page_size: usize,
) -> Result<Page<ChannelBook>, Error> {
    let _place = app.books.reading.try_enter()?;
    let chain = chain(app)?;
    let turnovers = app.books.turnovers(span).map_err(Error::internal)?;
    let balances = app.books.channel_balances(&chain);
    let is_listed = |record: &ChannelRecord| !closed_only || record.closing.is_some();
    let channels = chain.channels.into_iter().filter(|(_, (record, _))| is_listed(record));
    let mut books: Vec<_> = channels
        .map(|(id, (record, on_chain))| ChannelBook {
            turnover: turnovers.get(&id).copied().unwrap_or_default(),
            balance_msat: balances.get(&id).copied(),
            record,
            on_chain,
            id,
        })
        .filter(|book| after.as_ref().is_none_or(|after| book.place() < *after))
        .collect();
    books.sort_by_key(|book| std::cmp::Reverse(book.place()));
    let has_more = books.len() > page_size;
    books.truncate(page_size);
    Ok(Page { rows: books, has_more })
}

/// The channels that are closed, by id, the last that was opened first.
pub fn closed_channels(app: &App) -> Result<Vec<(String, ChannelRecord, ChannelOnChain)>, Error> {
    let channels = chain(app)?.channels.into_iter();
    let closed = channels.filter(|(_, (record, _))| record.closing.is_some());
    let mut closed: Vec<_> =
        closed.map(|(id, (record, on_chain))| (id, record, on_chain)).collect();
    closed.sort_by_key(|(_, record, _)| std::cmp::Reverse(record.opened_at));
    Ok(closed)
}

impl ChannelBook {
    /// Where it stands in the list.
    pub fn place(&self) -> ChannelPlace {
        (self.record.opened_at.unwrap_or_default(), self.id.clone())
    }

    /// What payments of our own have changed of its balance, in millisatoshis. `None` if something else
    /// that has changed it is not known.
    pub fn own_payments_msat(&self) -> Option<i64> {
        let now_msat = match &self.record.closing {
            Some(_) => self.on_chain.final_balance_sats?.checked_mul(1_000)?,
            None => self.balance_msat?,
        };
        let ChannelTurnover { in_msat, out_msat, unknown: 0, .. } = self.turnover else {
            return None;
        };
        let began_msat = self.record.opening_balance_sats?.checked_mul(1_000)?;
        let signed = |msat: u64| i64::try_from(msat).ok();
        signed(now_msat)?
            .checked_sub(signed(began_msat)?)?
            .checked_sub(self.on_chain.spliced_sats?.checked_mul(1_000)?)?
            .checked_sub(signed(in_msat)?)?
            .checked_add(signed(out_msat)?)
    }
}

fn chain(app: &App) -> Result<Chain, Error> {
    app.books.chain(app.network).map_err(Error::internal)
}
