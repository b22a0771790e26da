"""The chapters' notebooks: their rules, their common cells, their execution."""
