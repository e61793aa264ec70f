"""From the records of finished runs to tidy CSV files, tables and figures. Knows no torch."""
