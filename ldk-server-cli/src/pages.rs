//! Lists that come in pages.

use clap::Args;
use ldk_server_grpc::types::PageToken;
use serde::Serialize;

use crate::failure::Failure;

// A doc comment here would become the description of the command.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Fetch pages until there are at least this number of items; the last page is printed completely
    /// [default: one page]
    #[arg(short, long, value_name = "NUMBER")]
    number_of_payments: Option<u64>,

    /// Maximum number of items on a page, 1 to 1000 [default: 100]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) page_size: Option<u32>,

    /// Page to begin with: next_page_token of the previous output
    #[arg(long, value_name = "TOKEN:INDEX")]
    page_token: Option<String>,
}

/// What the server answers to one request.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<PageToken>,
}

/// What is printed: the items of one page or more.
#[derive(Debug, Serialize)]
pub(crate) struct List<T> {
    list: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Asks `fetch` for one page, or for as many as the arguments want.
pub(crate) async fn collect<T>(
    args: PageArgs,
    mut fetch: impl AsyncFnMut(Option<PageToken>) -> Result<Page<T>, Failure>,
) -> Result<List<T>, Failure> {
    let wanted = args.number_of_payments.unwrap_or(0);
    let mut token = args.page_token.as_deref().map(parse_token).transpose()?;
    let mut list = Vec::new();
    loop {
        let Page { items, next } = fetch(token.take()).await?;
        // A page without items is the end, whatever its token says.
        let is_last = next.is_none() || items.is_empty();
        list.extend(items);
        let enough = u64::try_from(list.len()).is_ok_and(|length| length >= wanted);
        if is_last || enough {
            let next_page_token =
                next.filter(|_| !is_last).map(|next| format!("{}:{}", next.token, next.index));
            return Ok(List { list, next_page_token });
        }
        token = next;
    }
}

fn parse_token(text: &str) -> Result<PageToken, Failure> {
    let parse = || {
        let (token, index) = text.split_once(':')?;
        Some(PageToken { token: token.to_owned(), index: index.parse().ok()? })
    };
    parse().ok_or_else(|| {
        Failure::InvalidRequest(format!(
            "--page-token {text:?} must be <token>:<index>, as in next_page_token of an answer"
        ))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// What there is to list, in pages of three.
    const ITEMS: u64 = 8;

    fn args(number_of_payments: Option<u64>, page_token: Option<&str>) -> PageArgs {
        let page_token = page_token.map(ToOwned::to_owned);
        PageArgs { number_of_payments, page_size: None, page_token }
    }

    /// The items listed, the token after them, and the number of pages that were asked for.
    fn listed(args: PageArgs) -> (Vec<u64>, Option<String>, usize) {
        let mut pages = 0;
        let list = collect(args, async |token: Option<PageToken>| {
            pages += 1;
            let first = token.map_or(0, |token| {
                assert_eq!(token.token, "t");
                u64::try_from(token.index).unwrap()
            });
            let end = (first + 3).min(ITEMS);
            let next = PageToken { token: "t".to_owned(), index: i64::try_from(end).unwrap() };
            Ok(Page { items: (first..end).collect(), next: (end < ITEMS).then_some(next) })
        });
        let list = list.now_or_never().unwrap().unwrap();
        (list.list, list.next_page_token, pages)
    }

    #[test]
    fn without_a_number_it_is_one_page() {
        let one_page = (vec![0, 1, 2], Some("t:3".to_owned()), 1);
        assert_eq!(listed(args(None, None)), one_page);
        assert_eq!(listed(args(Some(0), None)), one_page);
        assert_eq!(listed(args(None, Some("t:6"))), (vec![6, 7], None, 1));
    }

    #[test]
    fn with_a_number_pages_are_fetched_until_there_are_so_many() {
        let two_pages = (vec![0, 1, 2, 3, 4, 5], Some("t:6".to_owned()), 2);
        assert_eq!(listed(args(Some(4), None)), two_pages);
        assert_eq!(listed(args(Some(6), None)), two_pages);
        assert_eq!(listed(args(Some(3), Some("t:2"))), (vec![2, 3, 4], Some("t:5".to_owned()), 1));
        assert_eq!(listed(args(Some(u64::MAX), None)), ((0..ITEMS).collect(), None, 3));
    }

    #[test]
    fn an_empty_page_is_the_end() {
        let next = Some(PageToken { token: "t".to_owned(), index: 1 });
        let list = collect(args(Some(5), None), async |_| {
            Ok(Page::<u64> { items: Vec::new(), next: next.clone() })
        });
        assert_eq!(list.now_or_never().unwrap().unwrap().next_page_token, None);
    }

    #[test]
    fn the_key_of_the_token_is_left_out_at_the_end() {
        let json = |token: Option<&str>| {
            let list = List { list: vec![1], next_page_token: token.map(ToOwned::to_owned) };
            serde_json::to_string(&list).unwrap()
        };
        assert_eq!(json(None), r#"{"list":[1]}"#);
        assert_eq!(json(Some("t:1")), r#"{"list":[1],"next_page_token":"t:1"}"#);
    }

    #[test]
    fn a_token_is_text_and_number() {
        let token = PageToken { token: String::new(), index: i64::MIN };
        assert_eq!(parse_token(&format!(":{}", i64::MIN)).unwrap(), token);
        for text in ["", "t", "t:", "t:x", "t:1:2", "t:9223372036854775808"] {
            let failure = parse_token(text).unwrap_err().to_string();
            assert!(failure.starts_with("Error (Invalid Request): --page-token"), "{failure}");
        }
    }
}
