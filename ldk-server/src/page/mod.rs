//! The page for people: its files, embedded, and the list of calls by which it knows what a rune allows.
//!
//! The page has no privileges. It is plain HTML and JavaScript, signs in with a rune, and makes the same
//! calls in JSON as any other program.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::api::{self, Impact, RpcSpec};
use crate::json;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// The list of calls, as it is served.
static CALLS: LazyLock<String> = LazyLock::new(|| {
    let calls: Vec<_> = api::specs().iter().filter_map(described).collect();
    json!({ "calls": calls }).to_string()
});

/// A file of the page.
pub(crate) struct Asset {
    /// Where it is served.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static [u8],
}

macro_rules! assets {
    ($($path:literal $content_type:ident $file:literal,)+) => {
        /// The files, the page first.
        pub(crate) const ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            content_type: $content_type,
            content: include_bytes!(concat!("assets/", $file)),
        },)+];
    };
}

assets! {
    "/" HTML "index.html",
    "/page/style.css" CSS "style.css",
    "/page/icon.svg" SVG "icon.svg",
    "/page/access.js" SCRIPT "access.js",
    "/page/api.js" SCRIPT "api.js",
    "/page/app.js" SCRIPT "app.js",
    "/page/backups.js" SCRIPT "backups.js",
    "/page/calls.js" SCRIPT "calls.js",
    "/page/channel-bar.js" SCRIPT "channel-bar.js",
    "/page/channels.js" SCRIPT "channels.js",
    "/page/dom.js" SCRIPT "dom.js",
    "/page/fees.js" SCRIPT "fees.js",
    "/page/format.js" SCRIPT "format.js",
    "/page/forms.js" SCRIPT "forms.js",
    "/page/overview.js" SCRIPT "overview.js",
    "/page/lnurl.js" SCRIPT "lnurl.js",
    "/page/pay.js" SCRIPT "pay.js",
    "/page/payment-row.js" SCRIPT "payment-row.js",
    "/page/payments.js" SCRIPT "payments.js",
    "/page/peers.js" SCRIPT "peers.js",
    "/page/qr.js" SCRIPT "qr.js",
    "/page/receive.js" SCRIPT "receive.js",
    "/page/rune.js" SCRIPT "rune.js",
    "/page/store.js" SCRIPT "store.js",
    "/page/words.js" SCRIPT "words.js",
    "/page/vendor/uqr.js" SCRIPT "vendor/uqr.js",
    "/page/vendor/uqr.LICENSE" TEXT "vendor/uqr.LICENSE",
}

/// Where the list of calls is served.
pub(crate) const CALLS_PATH: &str = "/page/calls.json";

/// The list of calls, as JSON.
pub(crate) fn calls() -> &'static str {
    &CALLS
}

fn described(spec: &RpcSpec) -> Option<Value> {
    Some(json!({
        "name": spec.name,
        "kebab": json::method(spec.name)?.kebab,
        "group": spec.access.name(),
        "impact": impact(spec.impact),
    }))
}

fn impact(impact: Impact) -> &'static str {
    match impact {
        Impact::Reads => "READS",
        Impact::Changes => "CHANGES",
        Impact::Signs => "SIGNS",
        Impact::Spends => "SPENDS",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn text(path: &str) -> &'static str {
        let asset = ASSETS.iter().find(|asset| asset.path == path);
        std::str::from_utf8(asset.unwrap_or_else(|| panic!("no {path}")).content).unwrap()
    }

    #[test]
    fn every_call_is_listed_with_its_group() {
        let listed: Value = serde_json::from_str(calls()).unwrap();
        let listed = listed["calls"].as_array().unwrap();
        assert_eq!(listed.len(), api::specs().len());
        let pay = listed.iter().find(|call| call["name"] == "Bolt11Send").unwrap();
        assert_eq!(
            pay,
            &json!({ "name": "Bolt11Send", "kebab": "bolt11-send", "group": "pay", "impact": "SPENDS" })
        );
    }

    #[test]
    fn every_file_is_served() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page/assets");
        for dir in [dir.clone(), dir.join("vendor")] {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let content = fs::read(&path).unwrap_or_default();
                assert!(
                    path.is_dir() || ASSETS.iter().any(|asset| asset.content == content),
                    "{} is not served",
                    path.display()
                );
            }
        }
    }

    /// The policy of the page would refuse them.
    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let page = text("/");
        assert!(!page.contains("style=") && !page.contains("://"));
        let mut attributes = page.split_whitespace().filter(|word| word.contains("=\""));
        assert!(!attributes.any(|attribute| attribute.starts_with("on")));
        for script in page.split("<script").skip(1) {
            assert!(script.contains("src=\"/page/") && script.contains("\"></script>"));
        }
        let own = ASSETS.iter().filter(|asset| asset.content_type == SCRIPT);
        for asset in own.filter(|asset| !asset.path.contains("vendor")) {
            let script = text(asset.path);
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "localStorage"]
            {
                assert!(!script.contains(forbidden), "{forbidden} in {}", asset.path);
            }
        }
    }

    #[test]
    fn every_import_is_there() {
        for asset in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            let imports = text(asset.path).split(" from './").skip(1);
            for import in imports.filter_map(|rest| rest.split_once('\'')) {
                text(&format!("/page/{}", import.0));
            }
        }
    }

    /// A call that was renamed would never be offered again.
    #[test]
    fn every_call_that_the_page_makes_is_there() {
        let mut named = BTreeSet::new();
        for asset in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            for before in ["call('", "may('", "must('", "stream('", "button('"] {
                let names = text(asset.path).split(before).skip(1);
                named.extend(names.filter_map(|rest| rest.split_once('\'')).map(|(name, _)| name));
            }
        }
        assert!(named.len() > 20, "{named:?}");
        named.retain(|name| name.starts_with(char::is_uppercase));
        for name in named {
            assert!(api::group_of(name).is_some(), "{name}");
        }
    }
}
