//! Models of providers, over HTTP, behind `segue::Model`: hosted ones by key, and servers of one's own.
