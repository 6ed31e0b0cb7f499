//! The page at `/`: files that are part of the program.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::adapters::http::problem::Problem;

macro_rules! files {
    ($($name:literal),+) => {
        /// The files of the page.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("page/", $name)))),+];
    };
}

files!("index.html", "style.css", "main.js", "api.js", "format.js", "graph.js", "layout.js", "letters.js", "stores.js", "tasks.js");

/// `GET /`
pub(super) async fn index() -> Response {
    file("index.html")
}

/// `GET /page/{name}`
pub(super) async fn part(Path(name): Path<String>) -> Response {
    file(&name)
}

fn file(name: &str) -> Response {
    let Some((name, text)) = FILES.iter().find(|(it, _)| *it == name) else {
        return Problem::not_found(format!("the page has no {name}")).into_response();
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/javascript; charset=utf-8",
    };
    // Another version of the program has other files under the same names.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], *text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn all_files_of_the_page_are_served() {
        let there = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/http/page")).unwrap();
        let there: BTreeSet<String> = there.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(FILES.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), there);
    }
}
