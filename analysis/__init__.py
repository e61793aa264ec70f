"""Turns the records of finished runs into tidy CSV files, tables and figures; does not import torch."""
