//! The files of the page `/docs`: Swagger UI, compressed as it is served, and what starts it.

/// A file, embedded.
pub(crate) struct Asset {
    /// Where it is served.
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    /// Whether it is compressed with gzip.
    pub(crate) is_gzip: bool,
    pub(crate) content: &'static [u8],
}

/// The files, the page first.
pub(crate) const ASSETS: [Asset; 5] = [
    Asset {
        path: "/docs",
        content_type: "text/html; charset=utf-8",
        is_gzip: false,
        content: include_bytes!("assets/index.html"),
    },
    Asset {
        path: "/docs/start.js",
        content_type: "text/javascript; charset=utf-8",
        is_gzip: false,
        content: include_bytes!("assets/start.js"),
    },
    Asset {
        path: "/docs/swagger-ui-bundle.js",
        content_type: "text/javascript; charset=utf-8",
        is_gzip: true,
        content: include_bytes!("assets/swagger-ui-bundle.js.gz"),
    },
    Asset {
        path: "/docs/swagger-ui.css",
        content_type: "text/css; charset=utf-8",
        is_gzip: true,
        content: include_bytes!("assets/swagger-ui.css.gz"),
    },
    Asset {
        path: "/docs/swagger-ui-bundle.js.LICENSE.txt",
        content_type: "text/plain; charset=utf-8",
        is_gzip: false,
        content: include_bytes!("assets/swagger-ui-bundle.js.LICENSE.txt"),
    },
];
