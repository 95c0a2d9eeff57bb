from reportlab.platypus import SimpleDocTemplate, Paragraph, PageBreak, Spacer
from reportlab.lib.styles import getSampleStyleSheet
ss=getSampleStyleSheet()
S=[]
words='alpha beta gamma delta epsilon zeta eta theta'.split()
for i in range(1,9):
    S+=[Paragraph(f'Test case {i}',ss['Title']),Paragraph('Priority: High',ss['BodyText']),Paragraph('Owner: Team Blue',ss['BodyText']),Paragraph(f'Check that the {words[i-1]} module restarts after a crash, within ten seconds.',ss['BodyText']),Paragraph(f'Expected: {words[i-1]} answers again.',ss['BodyText']),PageBreak()]
SimpleDocTemplate('f/cases.pdf').build(S)
