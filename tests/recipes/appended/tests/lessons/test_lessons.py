DAMAGE[17] = {"teapot left in stock": (6, 11)}
