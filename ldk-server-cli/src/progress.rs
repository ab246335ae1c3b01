//! The line that says on a terminal how far a payment has come, while the command waits for it.
//!
//! The call that pays then waits for nothing, so that the command knows when the payment is on its way; the
//! outcome is waited for by a call of its own. What is printed in the end is the same as without a terminal.

use std::io::{IsTerminal as _, Write};
use std::time::{Duration, Instant};

use ldk_server_client::Client;
use ldk_server_grpc::api::unified_send_response::PaymentResult;
use ldk_server_grpc::api::{
    Bolt11SendResponse, Bolt12SendResponse, SpontaneousSendResponse, UnifiedSendResponse,
    WaitPaymentRequest,
};
use ldk_server_grpc::types::{PaymentOutcome, PaymentOutcomeStatus};
use tokio::time::{Interval, interval};

use crate::args::WaitArgs;

/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(500);
/// Back to the beginning of the line, and what is in it is gone.
const CLEAR: &str = "\r\u{1b}[K";

/// The answer of a call that pays.
pub(crate) trait PaymentAnswer {
    /// The payment that began.
    fn payment_id(&self) -> Option<&str>;
    /// Adds what has come of it.
    fn set_outcome(&mut self, outcome: PaymentOutcome);
}

macro_rules! answers {
    ($($answer:ident { $id:expr })+) => {
        $(impl PaymentAnswer for $answer {
            fn payment_id(&self) -> Option<&str> {
                let id: fn(&Self) -> Option<&str> = $id;
                id(self)
            }

            fn set_outcome(&mut self, outcome: PaymentOutcome) {
                self.outcome = Some(outcome);
            }
        })+
    };
}

answers! {
    Bolt11SendResponse { |answer| Some(&answer.payment_id) }
    Bolt12SendResponse { |answer| Some(&answer.payment_id) }
    SpontaneousSendResponse { |answer| Some(&answer.payment_id) }
    UnifiedSendResponse { |answer| match answer.payment_result.as_ref()? {
        PaymentResult::Txid(id)
        | PaymentResult::Bolt11PaymentId(id)
        | PaymentResult::Bolt12PaymentId(id) => Some(id),
    } }
}

/// How far a payment has come that a command waits for.
pub(crate) struct Progress {
    /// How long to wait, in seconds; `None` if nothing is shown, and the call that pays waits itself.
    secs: Option<u32>,
    line: Line<std::io::Stderr>,
}

impl Progress {
    /// Shows that a route is looked for, if the command is to wait and standard error is a terminal. Then
    /// the call that pays is not to wait.
    pub(crate) fn begin(wait: &mut WaitArgs) -> Self {
        let stderr = std::io::stderr();
        let secs = if stderr.is_terminal() { wait.take() } else { None };
        let line = Line { terminal: stderr, begun: Instant::now(), is_drawn: false };
        let mut progress = Self { secs, line };
        if progress.secs.is_some() {
            progress.line.draw("routing");
        }
        progress
    }

    /// Waits for what comes of the payment, and adds it to the answer.
    pub(crate) async fn wait(mut self, client: &Client, answer: &mut impl PaymentAnswer) {
        let Some((secs, id)) = self.secs.zip(answer.payment_id()) else { return };
        let request = WaitPaymentRequest { payment_id: id.to_owned(), timeout_secs: Some(secs) };
        let waiting = client.wait_payment(request);
        tokio::pin!(waiting);
        let mut ticks: Interval = interval(TICK);
        let waited = loop {
            tokio::select! {
                waited = &mut waiting => break waited,
                _ = ticks.tick() => self.line.draw("in flight"),
            }
        };
        // The payment was made: without an outcome, the answer tells of it all the same.
        let Some(outcome) = waited.ok().and_then(|waited| waited.outcome) else { return };
        self.line.end(word(outcome.status()));
        answer.set_outcome(outcome);
    }
}

fn word(status: PaymentOutcomeStatus) -> &'static str {
    match status {
        PaymentOutcomeStatus::Succeeded => "settled",
        PaymentOutcomeStatus::Failed => "failed",
        PaymentOutcomeStatus::Unknown => "unknown: ask the payee",
        PaymentOutcomeStatus::Pending => "still in flight",
    }
}

/// A line that is drawn over and over.
struct Line<W: Write> {
    terminal: W,
    begun: Instant,
    is_drawn: bool,
}

impl<W: Write> Line<W> {
    /// What cannot be written is not shown.
    fn draw(&mut self, text: &str) {
        let secs = self.begun.elapsed().as_secs_f64();
        let _ = write!(self.terminal, "{CLEAR}{text}, {secs:.1} s").and_then(|()| self.flush());
        self.is_drawn = true;
    }

    /// The last text stays.
    fn end(&mut self, text: &str) {
        self.draw(text);
        let _ = writeln!(self.terminal);
        self.is_drawn = false;
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.terminal.flush()
    }
}

/// A command that fails leaves no line behind.
impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(self.terminal, "{CLEAR}").and_then(|()| self.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(draw: impl FnOnce(&mut Line<&mut Vec<u8>>)) -> String {
        let mut terminal = Vec::new();
        let mut line = Line { terminal: &mut terminal, begun: Instant::now(), is_drawn: false };
        draw(&mut line);
        drop(line);
        String::from_utf8(terminal).unwrap()
    }

    #[test]
    fn the_last_line_stays_and_one_of_a_failure_does_not() {
        let settled = written(|line| {
            line.draw("routing");
            line.end("settled");
        });
        let lines: Vec<_> = settled.split(CLEAR).collect();
        assert!(lines[1].starts_with("routing, 0."), "{settled:?}");
        assert!(lines[2].starts_with("settled, 0.") && lines[2].ends_with(" s\n"), "{settled:?}");
        let failed = written(|line| line.draw("routing"));
        assert!(failed.ends_with(CLEAR), "{failed:?}");
        assert_eq!(written(|_| ()), "");
    }

    #[test]
    fn every_outcome_has_a_word() {
        assert_eq!(word(PaymentOutcomeStatus::Succeeded), "settled");
        assert_eq!(word(PaymentOutcomeStatus::Pending), "still in flight");
    }

    #[test]
    fn an_answer_names_what_is_waited_for() {
        let paid = UnifiedSendResponse {
            payment_result: Some(PaymentResult::Txid("ab".to_owned())),
            ..Default::default()
        };
        assert_eq!(paid.payment_id(), Some("ab"));
        assert_eq!(UnifiedSendResponse::default().payment_id(), None);
    }
}
