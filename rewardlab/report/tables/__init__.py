"""Tables: each column is declared once, and everything that shows it follows."""
