"""Everything that is read after runs: tables, figures and the page. Reads files only; never imports training."""
