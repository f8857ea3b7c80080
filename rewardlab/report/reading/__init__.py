"""From folders that anybody may have written to runs, and to what is wrong with the others."""
