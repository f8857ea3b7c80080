"""Language models: what is asked of them, who answers, and the code in an answer."""
