"""What is known about Bitrix24: its addresses, its methods, its answers. Nothing here knows of sheets or journals."""
