//! The figures as tables, which are Markdown.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use e2e_tests::Usage;

use crate::case::Case;
use crate::figures::millis;
use crate::payments::Measured;
use crate::store::Store;

/// A case, and what it took with a store.
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) store: Store,
    pub(crate) measured: Measured,
}

impl Row {
    fn name(&self) -> [String; 3] {
        let Case { kind, in_flight, .. } = self.case;
        [kind.to_string(), in_flight.to_string(), self.store.to_string()]
    }

    fn kib(&self, usage: &Usage) -> f64 {
        usage.write_bytes as f64 / 1024.0 / self.measured.payments as f64
    }

    fn cpu_ms(&self, usage: &Usage) -> f64 {
        millis(usage.cpu) / self.measured.payments as f64
    }

    fn syncs(&self, usage: &Usage) -> String {
        let each = |syncs: u64| syncs as f64 / self.measured.payments as f64;
        usage.syncs.map(each).map_or_else(|| "not counted".to_owned(), |each| format!("{each:.2}"))
    }
}

/// What each case took.
pub(crate) fn payments(rows: &[Row]) -> Table {
    let mut table = table(&[
        "kind",
        "in flight",
        "store",
        "payments/s",
        "p50 ms",
        "p99 ms",
        "refused",
        "failed",
        "payer KiB",
        "payee KiB",
        "payer CPU ms",
        "payee CPU ms",
    ]);
    for row in rows {
        let Measured { per_second, latency, refused, failed, payer, payee, .. } = &row.measured;
        let figures = [
            format!("{per_second:.1}"),
            format!("{:.1}", latency.percentile(50)),
            format!("{:.1}", latency.percentile(99)),
            refused.to_string(),
            failed.to_string(),
            format!("{:.1}", row.kib(payer)),
            format!("{:.1}", row.kib(payee)),
            format!("{:.2}", row.cpu_ms(payer)),
            format!("{:.2}", row.cpu_ms(payee)),
        ];
        table.add_row(row.name().into_iter().chain(figures));
    }
    aligned(table, 3)
}

/// What each case took with our store, in proportion to each of the others.
pub(crate) fn ratios(rows: &[Row]) -> Table {
    let mut table = table(&[
        "kind",
        "in flight",
        "ours /",
        "payments/s",
        "p50",
        "p99",
        "payer bytes",
        "payee bytes",
        "payer CPU",
        "payee CPU",
    ]);
    let compared = rows.iter().filter(|row| row.store == Store::Ours).flat_map(|ours| {
        let is_other = |row: &&Row| row.case == ours.case && row.store != Store::Ours;
        rows.iter().filter(is_other).map(move |theirs| (ours, theirs))
    });
    for (ours, theirs) in compared {
        let figures = |row: &Row| {
            let Measured { per_second, latency, payer, payee, .. } = &row.measured;
            [
                *per_second,
                latency.percentile(50),
                latency.percentile(99),
                row.kib(payer),
                row.kib(payee),
                row.cpu_ms(payer),
                row.cpu_ms(payee),
            ]
        };
        let ratios = figures(ours).into_iter().zip(figures(theirs));
        table.add_row(
            theirs
                .name()
                .into_iter()
                .chain(ratios.map(|(ours, theirs)| format!("{:.2}", ours / theirs))),
        );
    }
    aligned(table, 3)
}

/// The fsyncs of each case, for each payment.
pub(crate) fn syncs(rows: &[Row]) -> Table {
    let mut table =
        table(&["kind", "in flight", "store", "payer", "payee", "payments/s when traced"]);
    for row in rows {
        let Measured { per_second, payer, payee, .. } = &row.measured;
        let figures = [row.syncs(payer), row.syncs(payee), format!("{per_second:.1}")];
        table.add_row(row.name().into_iter().chain(figures));
    }
    aligned(table, 3)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    table
}

/// Aligns the figures, which begin with this column, to the right.
fn aligned(mut table: Table, first: usize) -> Table {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
