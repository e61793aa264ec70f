"""Formatted tables of the paper, each made from tidy CSV files and written as csv, tex and md.

Accuracies and differences are in per cent and percentage points; intervals are percentile bootstrap.  The list of
tables: ``TABLES`` of analysis/registry.py.
"""
