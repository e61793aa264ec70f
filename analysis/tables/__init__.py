"""Makes the tables of the paper from tidy CSV files, as csv, tex and md.

Accuracies are in per cent, differences in percentage points; intervals are percentile bootstrap intervals.
``TABLES`` in analysis/registry.py lists the tables.
"""
